"""What a feature group is and what state it is in, for people."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from feature_groups.store.errors import InvalidDeclaration, NothingWritten
from feature_groups.store.html_table import html_facts, html_table

if TYPE_CHECKING:
    from feature_groups.store.contract import ContractSpec
    from feature_groups.store.feature_group import FeatureGroup
    from feature_groups.store.stored_group import StoredFeatureGroup

_HEAD = ("column", "type", "null", "unit", "tags", "description")


@dataclass(frozen=True)
class Description:
    """A feature group's facts and columns; prints as text, shows as HTML.

    Attributes:
        title: ``name vN: description``.
        facts: (what, value) pairs.
        columns: (name, type, NULL allowed, unit, tags, description) per column.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str, str, str, str, str], ...]

    def __str__(self) -> str:
        width = max(len(k) for k, _ in self.facts)
        lines = [self.title, *(f"  {k.ljust(width)}  {v}" for k, v in self.facts)]
        rows = [_HEAD, *self.columns]
        widths = [max(len(r[i]) for r in rows) for i in range(len(_HEAD))]
        lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<h4>{html.escape(self.title)}</h4>{html_facts(self.facts)}{html_table(_HEAD, self.columns)}"


def describe(stored: StoredFeatureGroup) -> Description:
    """Gather the facts of a stored feature group."""
    try:
        spec = stored.table.spec
    except InvalidDeclaration:  # it waits for its first frame
        return describe_declared(stored.declaration, None)
    return describe_declared(stored.declaration, spec, _state(stored))


def describe_declared(
    group: FeatureGroup, spec: ContractSpec | None, state: Sequence[tuple[str, str]] = ()
) -> Description:
    """Gather the facts of a declaration, with those of its table's state after them.

    Args:
        group: The declaration.
        spec: Its contract, None while it has none.
        state: (what, value) pairs.
    """
    if group.source is not None:
        origin = f"source {group.source.name} ({group.source.path})"
    elif group.parents:
        origin = "parents " + ", ".join(str(p) for p in group.parents)
    else:
        origin = "inserts"
    facts = [
        ("primary key", ", ".join(group.primary_key)),
        ("event time", group.event_time or "none (static)"),
        ("rows from", origin),
        ("policy", f"{group.policy}, corrections {group.corrections}"),
    ]
    if group.sequence:
        facts.append(("sequence", group.sequence))
    if group.foreign_key:
        facts.append(("foreign keys", ", ".join(f"{c} -> {g}" for c, g in group.foreign_key.items())))
    facts += [
        (name, value)
        for name, value in (
            ("owner", group.owner),
            ("tags", ", ".join(f"{k}={v}" for k, v in group.tags.items())),
            ("restricted", "labels and training helpers only" if group.restricted else ""),
            ("deprecated", group.deprecated),
        )
        if value
    ]
    title = f"{group.name} v{group.version}: {group.description}"
    if spec is None:
        return Description(title, (*facts, ("state", "waits for a first frame")), ())
    facts.insert(0, ("one row", spec.grain.splitlines()[0]))
    columns = tuple(
        (
            c.name,
            c.type,
            "yes" if c.nullable else "",
            c.unit,
            ", ".join(filter(None, ["pii" if c.pii else "", f"proxy of {c.label_proxy}" if c.label_proxy else ""])),
            c.description,
        )
        for c in spec.columns
    )
    return Description(title, (*facts, *state), columns)


def _state(stored: StoredFeatureGroup) -> list[tuple[str, str]]:
    try:
        newest = stored.history(1)[0]
    except NothingWritten:
        return [("state", "nothing written yet")]
    state = stored._store.writer.states.at(stored.table)
    when: datetime = newest.committed_at
    return [
        ("table", f"version {newest.version}, {state.rows:,} rows, committed {when:%Y-%m-%d %H:%M:%S} UTC"),
        ("fingerprint", f"{state.fingerprint:032x}"),
    ]
