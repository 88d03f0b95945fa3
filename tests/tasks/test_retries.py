from __future__ import annotations

import asyncio

import pytest
from prefect.states import Completed, Failed

from feature_groups.store.errors import AlluviaError, ContractViolated, TableBusy, WriteFailed
from tasks.materialize import materialize
from tasks.retries import only_transient

FIELDS = {"what": "What.", "state": "was not written", "next_step": "do."}


def conflict() -> WriteFailed:
    made = WriteFailed("feature group 'ratings' v1", **FIELDS)
    made.transient = True
    return made


def is_retried(error: BaseException) -> bool:
    return asyncio.run(only_transient(None, None, Failed(message="failed", data=error)))


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError("slow"), conflict()])
def test_what_the_same_call_may_not_meet_twice_is_tried_again(error: BaseException) -> None:
    assert is_retried(error)


@pytest.mark.parametrize(
    "error",
    [
        *(kind("feature group 'ratings' v1", **FIELDS) for kind in (ContractViolated, TableBusy, WriteFailed)),
        AlluviaError("anything", **FIELDS),
        ValueError("a bug"),
        FileNotFoundError("gone"),
        PermissionError("no"),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_else_is_not(error: BaseException) -> None:
    assert not is_retried(error)


def test_success_is_not_tried_again() -> None:
    assert not asyncio.run(only_transient(None, None, Completed(data=1)))


def test_retries_are_few_and_spread() -> None:
    assert materialize.retries == 2
    assert materialize.retry_condition_fn is only_transient
    assert materialize.retry_jitter_factor is not None
