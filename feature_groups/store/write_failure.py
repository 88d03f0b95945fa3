"""A commit that Spark could not make, told so that a person can act on it."""

from __future__ import annotations

from feature_groups.store.errors import AlluviaError, WriteFailed
from feature_groups.store.table import Table


def write_failed(table: Table, version: int, error: Exception) -> AlluviaError:
    """The error to raise for one that the engine raised; says whether trying again may help.

    Args:
        table: What was to be written.
        version: The version the table is still at.
        error: What the engine raised.
    """
    if isinstance(error, AlluviaError):
        return error
    made = WriteFailed(
        table.group.where,
        what=f"Spark could not commit: {_cause(error)}",
        state=f"was not written (still at version {version})",
        next_step="run the same again; if it fails again, the whole error stands below this one.",
    )
    text = f"{type(error).__name__} {error}"
    made.transient = "Concurrent" in text or isinstance(error, ConnectionError) or "Py4JNetworkError" in text
    return made


def _cause(error: Exception) -> str:
    """The line of an error that says what happened; of one from the JVM the innermost cause."""
    lines = [line.strip().removeprefix(": ") for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    said = [line for line in lines if not line.startswith("An error occurred while calling")]
    return (causes[-1:] + said[:1] + [type(error).__name__])[0][:300]
