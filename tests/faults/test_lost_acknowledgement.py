"""What a caller does not hear about has happened once or not at all: lost answers, dead JVMs, Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.errors import AnalysisException

from batches import START, audit, batch, matches, opened
from feature_groups.store import FeatureStore, Receipt, faults
from feature_groups.store.connect import session_started
from feature_groups.store.engine import is_transient
from feature_groups.store.engines import session
from feature_groups.store.engines.spark import SparkEngine, _fenced
from feature_groups.store.errors import BatchUnreadable, WriteFailed
from visits import frame, rows_of


def retried(write: Callable[[], Receipt], attempts: int = 3) -> Receipt:
    """What a flow does with a transient error."""
    for attempt in range(attempts):
        try:
            return write()
        except Exception as error:
            if attempt == attempts - 1 or not is_transient(error):
                raise
    raise AssertionError


@pytest.mark.parametrize("operation", ["append", "merge"])
def test_a_retry_after_a_lost_acknowledgement_commits_once(
    filled: FeatureStore, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, given = opened(filled), batch(operation, 1)
    monkeypatch.setattr(faults, "_passages", type(faults._passages)())
    monkeypatch.setenv("ALLUVIA_FAULTS", "write.after_commit:lost_ack@1;write.before_lock:lost_ack@2")
    receipt = retried(lambda: given.write(group, "the batch"))
    matches(receipt, START, given.after(START), given)
    audit(group, given.after(START), ["first", "the batch"], {})


def test_without_a_key_every_call_is_a_batch_of_its_own(filled: FeatureStore) -> None:
    group, a = opened(filled), batch("append", 1)
    a.write(group, "a")
    back = group.insert(frame(START), overwrite=True)
    again = group.insert(frame(a.after(START)), overwrite=True)
    same = group.insert(frame(a.after(START)), overwrite=True)
    assert len({r.batch_key for r in (back, again, same)}) == 3
    assert (back.deleted, again.inserted, same.committed) == (3, 3, False)
    assert rows_of(group.read()) == a.after(START)  # A, B, A ends in A


def _kill_jvm() -> None:
    running = session._running
    assert running is not None
    os.kill(running.jvm.process.pid, signal.SIGKILL)
    running.jvm.process.wait()


def test_a_process_survives_the_death_of_its_jvm_at_any_moment(
    filled: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, rows = opened(filled), START
    first, second = batch("append", 1), batch("append", 2)
    source, append = SparkEngine._source, SparkEngine.append

    def dies_before_the_commit(engine: SparkEngine, *arguments: Any, **options: Any) -> Any:
        made = source(engine, *arguments, **options)
        _kill_jvm()
        return made

    with monkeypatch.context() as patch:
        patch.setattr(SparkEngine, "_source", dies_before_the_commit)
        with pytest.raises(WriteFailed, match=r"was not written \(still at version 1\)") as caught:
            first.write(group, "one")
    assert is_transient(caught.value)
    assert "\n  Next: run the same again" in str(caught.value)
    assert rows_of(group.read()) == rows
    matches(first.write(group, "one"), rows, first.after(rows), first)
    rows = first.after(rows)

    def dies_after_the_commit(engine: SparkEngine, *arguments: Any) -> None:
        append(engine, *arguments)
        _kill_jvm()
        raise ConnectionError("Answer from Java side is empty")

    with monkeypatch.context() as patch:
        patch.setattr(SparkEngine, "append", dies_after_the_commit)
        matches(second.write(group, "two"), rows, second.after(rows), second)
    rows = second.after(rows)
    assert not session_started()
    audit(group, rows, ["first", "one", "two"], {})


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ConnectionError])
def test_a_call_that_broke_off_ends_the_jvm_before_the_lock_is_given_back(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    ended: list[float] = []
    monkeypatch.setattr(session, "stop_session", lambda *, patience: ended.append(patience))
    with pytest.raises(error), _fenced():
        raise error
    assert ended == [0]


@pytest.mark.parametrize(
    "error", [AnalysisException("no such table"), BatchUnreadable("a", what="", state="", next_step="")]
)
def test_what_was_answered_leaves_the_jvm_alone(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(session, "stop_session", lambda *, patience: pytest.fail("the JVM was ended"))
    with pytest.raises(type(error)), _fenced():
        raise error
