"""`python -m deployments.local_server ...` is `prefect ...` for a server that keeps its data in SQLite.

Prefect 3.8 begins transactions that read before they write. In SQLite such a one fails at once when anything else was
written meanwhile ("database is locked"; no timeout helps against an old snapshot), which happens whenever several runs
are at work: events were handled up to four times, some never, and states were refused. What a failed statement left
behind could be freed in the event loop's thread while its connection waited for the lock in its own: then all stood
still until SQLite's timeout of 60 s. Here every transaction takes the write lock when it begins, as Prefect's own do
where they ask for it (`with_for_update`).
"""

from __future__ import annotations

import runpy
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


@asynccontextmanager
async def begin_to_write(
    _: AioSqliteConfiguration,
    session: AsyncSession,
    with_for_update: bool = False,  # noqa: ARG001, FBT001  # as theirs
) -> AsyncGenerator[AsyncSessionTransaction, None]:
    """A transaction that may write from its start; what is read beside it, meanwhile, asks for no lock."""
    async with session.begin() as transaction:
        mode = SQLITE_BEGIN_MODE.set("IMMEDIATE")
        try:
            await session.connection()
        finally:
            SQLITE_BEGIN_MODE.reset(mode)
        yield transaction


def mend() -> None:
    """Let this process be such a server."""
    AioSqliteConfiguration.begin_transaction = begin_to_write  # type: ignore[method-assign, assignment]  # ours


if __name__ == "__main__":
    mend()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
