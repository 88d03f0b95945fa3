"""When a task is tried again: only after errors that the same call may not meet twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from feature_groups.store.engine import is_transient

P = ParamSpec("P")
R = TypeVar("R")


def retried(run_name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a function: tried three times, and never skipped by Prefect, whose cache knows no tables.

    Args:
        run_name: Of its runs, with the parameters in braces.
    """
    return task(
        task_run_name=run_name,
        retries=2,
        retry_delay_seconds=[1, 5],
        retry_jitter_factor=0.5,
        retry_condition_fn=only_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


async def only_transient(task: Any, task_run: Any, state: State[Any]) -> bool:  # noqa: ARG001  # Prefect's signature
    """Retry a lost connection or a conflict with another writer; never a contract error."""
    try:
        await state.aresult()
    except BaseException as error:  # whatever the task raised is what is judged
        return is_transient(error)
    return False
