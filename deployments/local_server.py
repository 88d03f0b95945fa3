"""`python -m deployments.local_server ...` is `prefect ...` for a server that keeps its data in SQLite.

Prefect 3.8 counts the events of a trigger in a transaction that reads before it writes. In SQLite such a transaction
fails at once when anything else was written meanwhile ("database is locked"; no timeout helps against an old snapshot),
which happens whenever a run ends: events were handled up to four times, and some never. Here the transaction takes the
write lock when it begins, as Prefect's own do elsewhere (`with_for_update`).
"""

from __future__ import annotations

import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prefect.server.database.dependencies import provide_database_interface
from prefect.server.events import triggers

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


@asynccontextmanager
async def locked_session(begin_transaction: bool = False) -> AsyncIterator[AsyncSession]:  # noqa: FBT001  # as theirs
    """A session of the server's database; a transaction that is begun with it may write from the start."""
    database = provide_database_interface()
    async with database.session_context(begin_transaction, with_for_update=begin_transaction) as session:
        yield session


def mend() -> None:
    """Let triggers count with it."""
    triggers.automations_session = locked_session  # type: ignore[assignment, attr-defined]  # theirs is private


if __name__ == "__main__":
    mend()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
