"""What a table must be before the store reads from it or writes to it: whole, and with the columns declared."""

from __future__ import annotations

from collections.abc import Sequence

from feature_groups.store.engine import Snapshot
from feature_groups.store.errors import DeclarationChanged, NoSuchVersion, TableDamaged
from feature_groups.store.metadata import Metadata
from feature_groups.store.table import Table
from feature_groups.store.vacuum_log import VacuumLog


def refuse_damaged(log: Snapshot, metadata: Metadata, table: Table, engine: str, state: str) -> None:
    """Look whether the files of a version are there and as long as the log says; none is read.

    Raises:
        NoSuchVersion: One is not, because a vacuum removed it; says which, and what is left.
        TableDamaged: One is not.
    """
    problem = log.damage(vectors=engine == "polars")
    if problem is None and engine == "polars":
        return
    # Spark meets a missing deletion vector only while it computes.
    removed = VacuumLog(metadata, table.group.id).explanation(log.table_id, [log.version])
    if removed is not None:
        problem = log.missing() or problem
    if problem is None:
        return
    if removed is not None:
        raise NoSuchVersion(
            table.group.where,
            what=f"Version {log.version} cannot be read: {problem}. {removed}",
            state=state,
            next_step="read one of the versions that are left; vacuum keeps what is pinned, and what is young enough.",
        )
    raise TableDamaged(
        table.group.where,
        what=f"Version {log.version} cannot be read: {problem}.",
        state=state,
        next_step="read another version (fg.history() lists them), or restore the folder from a copy.",
    )


def refuse_other_columns(table: Table, there: Sequence[str]) -> None:
    """Compare the table's columns with the declaration's, under the lock: they may have moved since it was opened.

    Raises:
        DeclarationChanged: They differ; shows how.
    """
    declared = [name for name, *_ in table.columns()]
    lines = [f"+ column {name!r} is new in the table" for name in there if name not in declared]
    lines += [f"- column {name!r} is not in the table" for name in declared if name not in there]
    if not lines:
        return
    raise DeclarationChanged(
        table.group.where,
        what="The table's columns are not those of the declaration it was opened with:\n" + "\n".join(lines),
        state="was not written",
        next_step="open it again with the newest declaration: fs.get_or_create_feature_group(...).",
    )
