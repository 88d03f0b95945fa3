from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from feature_groups.store import connect
from feature_groups.store.clock import file_clock
from feature_groups.store.errors import InvalidSettings
from feature_groups.store.settings import Settings


def test_a_replay_moves_the_clock_by_writing_a_file(tmp_path: Path) -> None:
    path = tmp_path / "now"
    now = connect(tmp_path / "lake", settings=Settings(clock=path)).clock
    for at in (datetime(2002, 2, 1, tzinfo=UTC), datetime(2002, 3, 1, 1, tzinfo=timezone(timedelta(hours=1)))):
        path.write_text(at.isoformat() + "\n")
        assert now() == at
        assert now().tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "says"), [("2002-02-01", "has no zone"), ("soon", "Invalid isoformat"), (None, "No such file")]
)
def test_a_file_without_an_instant_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "now"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidSettings, match=says) as refused:
        file_clock(path)()
    assert str(path) in str(refused.value)


def test_without_the_setting_the_systems_time_counts(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    assert before <= connect(tmp_path / "lake", settings=Settings()).clock() <= datetime.now(UTC)
