"""Why the local server is not just `prefect server start`: how its transactions begin in SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import provide_database_interface, temporary_database_config

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
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
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
    """Read, then write, as the server does, while somebody else writes in between."""
    async with provide_database_interface().session_context(begin_transaction=True) as session:
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


async def look_beside(path: Path) -> list[int]:
    """What is read with another session, inside a transaction that has written, and after it."""
    database, found = provide_database_interface(), []
    question = sa.text("SELECT events FROM counted")

    async def look() -> None:
        async with database.session_context() as other:
            found.append((await other.execute(question)).scalar_one())

    async with database.session_context(begin_transaction=True) as session:
        await session.execute(sa.text("UPDATE counted SET events = events + 1"))
        await look()
    await look()
    return found


def test_what_is_read_beside_a_transaction_waits_for_no_lock(database: Path) -> None:
    mend()
    assert asyncio.run(look_beside(database)) == [0, 1]


def test_a_transaction_that_fails_leaves_nothing_and_no_lock(database: Path) -> None:
    mend()

    async def fail() -> None:
        async with provide_database_interface().session_context(begin_transaction=True) as session:
            await session.execute(sa.text("UPDATE counted SET events = 99"))
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        asyncio.run(fail())
    asyncio.run(count(database))

    with closing(sqlite3.connect(database)) as found:
        assert found.execute("SELECT events FROM counted").fetchall() == [(11,)]
