from __future__ import annotations

import pytest

from feature_groups.store import stop_session
from feature_groups.store.connect import session_kept
from feature_groups.store.engines import session


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(session, "stop_session", lambda: told.append("stopped"))
    return told


def test_a_session_that_is_kept_is_stopped_once_at_the_end(stops: list[str]) -> None:
    with session_kept():
        stop_session()
        with session_kept():
            stop_session()
        assert stops == []
    assert stops == ["stopped"]
    stop_session()
    assert stops == ["stopped"] * 2


@session_kept()
def fails() -> None:
    stop_session()
    raise ZeroDivisionError


def test_a_session_is_stopped_when_what_kept_it_fails(stops: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        fails()
    assert stops == ["stopped"]
