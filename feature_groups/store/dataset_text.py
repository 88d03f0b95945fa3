"""A training dataset for people: as lines of text and as HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from feature_groups.store.drift import Drift
from feature_groups.store.html_table import html_table

if TYPE_CHECKING:
    from feature_groups.store.training_dataset import TrainingDataset

_PARTS = ("part", "rows", "entities", "content")
_LOOK_UPS = ("group", "version", "columns", "rows without a match", "rows of it in several parts")


def as_text(dataset: TrainingDataset) -> str:
    """What it was made of, its parts, what was found, what to look at before training, and the largest drift."""
    m = dataset.manifest
    parts = [f"{name} {rows} rows, {who} entities, content {content}" for name, rows, who, content in _parts(dataset)]
    found = [
        f"{columns} of {group}: nothing for {without} rows, {shared} rows in several parts"
        for group, _, columns, without, shared in _look_ups(dataset)
    ]
    lines = [
        f"{dataset.where}, made {m['created_at'][:16].replace('T', ' ')} UTC by {m['created_by']}",
        f"  split     {m['split_text']}, seed {m['seed']}",
        f"  left out  {m['left_out']:,} of {m['spine']['rows']:,} rows",
        *(f"  part      {line}" for line in parts),
        *(f"  pinned    {pin['group']} at version {pin['version']}, {pin['rows']:,} rows" for pin in m["pins"]),
        *(f"  found     {line}" for line in found),
        *(f"  warning   {line}" for line in m["warnings"]),
    ]
    if (drift := _drift(dataset)) is not None:
        largest = [f"{f.name} {f.size:.3f}" for f in drift.features[:3] if f.size]
        lines.append(f"  drift     train to test: {', '.join(largest) or 'none'} (td.drift() says more)")
    return "\n".join(lines)


def as_html(dataset: TrainingDataset) -> str:
    """The same as tables, with the whole drift report."""
    m = dataset.manifest
    split = f"{m['split_text']}, seed {m['seed']}; {m['left_out']:,} of {m['spine']['rows']:,} rows left out"
    warnings = "".join(f"<li>{html.escape(line)}</li>" for line in m["warnings"])
    drift = _drift(dataset)
    return (
        f"<h4>{html.escape(dataset.where)}</h4><p>{html.escape(split)}</p>"
        f"{html_table(_PARTS, _parts(dataset))}{html_table(_LOOK_UPS, _look_ups(dataset))}"
        + (f"<p>Before training:</p><ul>{warnings}</ul>" if warnings else "")
        + ("" if drift is None else drift._repr_html_())
    )


def _parts(dataset: TrainingDataset) -> list[tuple[str, ...]]:
    parts = [(name, dataset.manifest["parts"][name]) for name in dataset.parts]
    return [(name, f"{p['rows']:,}", f"{p['entities']:,}", p["content"][:12]) for name, p in parts]


def _look_ups(dataset: TrainingDataset) -> list[tuple[str, ...]]:
    versions = {pin["group"]: pin["version"] for pin in dataset.manifest["pins"]}
    return [
        (
            found["group"],
            str(versions[found["group"]]),
            ", ".join(found["columns"]) or "keys only",
            f"{found['without']:,}",
            f"{found['shared']:,}",
        )
        for found in dataset.manifest["look_ups"]
    ]


def _drift(dataset: TrainingDataset) -> Drift | None:
    return dataset.drift() if {"train", "test"} <= set(dataset.parts) else None
