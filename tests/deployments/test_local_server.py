"""Why the local server is not just `prefect server start`: how its triggers count events in SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import temporary_database_config
from prefect.server.events import triggers

from deployments.local_server import mend


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("server") / "prefect.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE counted (events INTEGER)")
        made.execute("INSERT INTO counted VALUES (0)")
        made.commit()
    return path


@pytest.fixture
def database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(triggers, "automations_session", triggers.automations_session)
    with closing(sqlite3.connect(path)) as made:
        made.execute("UPDATE counted SET events = 0")
        made.commit()
    config = AioSqliteConfiguration(f"sqlite+aiosqlite:///{path}")
    with temporary_database_config(config):
        yield path


def written_by_others(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=10)) as other:
        other.execute("UPDATE counted SET events = events + 10")
        other.commit()


async def count(path: Path) -> None:
    """Read, then write, as a trigger does, while somebody else writes in between."""
    sessions: Any = triggers.automations_session
    async with sessions(begin_transaction=True) as session:
        before = (await session.execute(sa.text("SELECT events FROM counted"))).scalar_one()
        other = asyncio.create_task(asyncio.to_thread(written_by_others, path))
        await asyncio.sleep(0.3)
        await session.execute(sa.text(f"UPDATE counted SET events = {before + 1}"))
        await session.commit()
    await other


def test_prefect_itself_fails_when_something_else_was_written_meanwhile(database: Path) -> None:
    with pytest.raises(sa.exc.OperationalError, match="database is locked"):
        asyncio.run(count(database))


def test_the_local_server_counts_every_event(database: Path) -> None:
    mend()
    asyncio.run(count(database))

    with closing(sqlite3.connect(database)) as found:
        assert found.execute("SELECT events FROM counted").fetchall() == [(11,)]
