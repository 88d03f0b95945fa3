"""When a task is tried again: only after errors that the same call may not meet twice."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from feature_groups.store.engine import is_transient


async def only_transient(task: Any, task_run: Any, state: State[Any]) -> bool:  # noqa: ARG001  # Prefect's signature
    """Retry a lost connection or a conflict with another writer; never a contract error."""
    try:
        await state.aresult()
    except BaseException as error:  # whatever the task raised is what is judged
        return is_transient(error)
    return False
