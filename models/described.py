"""What is known of something of a lake: what it is, its contract, figures, where it came from, what it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from feature_groups.store.errors import NothingWritten
from feature_groups.store.statistics import Statistics
from models.history_of import history_of
from models.lake_map import LakeMap, Thing
from models.lineage import Branch, groups_of_view, lineage

COMMITS = 5
"""How much of the history is shown."""

Facts = tuple[tuple[str, str], ...]
_COLUMN = ("name", "type", "null", "unit", "tags", "description")


@dataclass(frozen=True)
class Described:
    """What is known of something.

    Attributes:
        thing: What.
        title: Its name and description.
        facts: (what, value) pairs.
        columns: Per column ``name``, ``type``, ``null``, ``unit``, ``tags``, ``description``; of a view those it gives.
        statistics: Of a group's newest version, or of a dataset's first part; None where there are none, or where
            computing them would need Spark.
        figures: Of a release, by name.
        made_from: What it was made from, one step back.
        made_of_it: What was made from it, one step on.
        history: The newest of what happened to it, see `history_of`.
    """

    thing: Thing
    title: str
    facts: Facts
    columns: tuple[Mapping[str, str], ...] = ()
    statistics: Statistics | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    made_from: tuple[Branch, ...] = ()
    made_of_it: tuple[Branch, ...] = ()
    history: pl.DataFrame = field(default_factory=pl.DataFrame)


def described(lake: LakeMap, name: str) -> Described:
    """Everything of what has a name; see `LakeMap.find`, also for what is raised."""
    thing = lake.find(name)
    found = lineage(lake, f"{thing.kind}:{thing.name}")
    near = {"made_from": found.made_from.following, "made_of_it": found.made_of_it.following}
    common: dict[str, Any] = {**near, "history": history_of(lake, thing, COMMITS)}
    match thing.kind:
        case "group":
            return _group(lake, thing, common)
        case "view":
            return _view(lake, thing, common)
        case "dataset":
            return _dataset(lake, thing, common)
        case "release":
            return _release(lake, thing, common)
    return Described(thing, str(thing), (), **common)


def _group(lake: LakeMap, thing: Thing, common: Mapping[str, Any]) -> Described:
    declared = lake.groups[thing.name]
    group = lake.store.get_feature_group(declared["name"], declared["version"])
    told = group.describe()
    came = f"source {declared['source']}" if declared["source"] else "parents " + ", ".join(declared["parents"])
    origin = came if declared["source"] or declared["parents"] else "inserts"
    # Read from the lake, a declaration has no source and no parents any more.
    facts = tuple((what, origin if what == "rows from" else value) for what, value in told.facts)
    columns = tuple(dict(zip(_COLUMN, column, strict=True)) for column in told.columns)
    statistics = None
    try:
        if lake.store.writer.states.at(group.table).rows <= lake.store.shop.budget:
            statistics = group.statistics(engine="polars")
    except NothingWritten:
        pass  # a declaration without rows is described without statistics
    return Described(thing, told.title, facts, columns, statistics, **common)


def _view(lake: LakeMap, thing: Thing, common: Mapping[str, Any]) -> Described:
    view = lake.views[thing.name]
    facts = (
        ("instants", view["event_time"]),
        ("entity", ", ".join(view["entity"])),
        ("reads", ", ".join(groups_of_view(view))),
        ("histories", ", ".join(view["histories"]) or "none"),
        ("training datasets", str(sum(m["view"] == thing.name for m in lake.datasets.values()))),
        ("owner", view["owner"] or "nobody"),
    )
    columns = tuple(dict.fromkeys(_COLUMN, "") | {"name": name, "type": type_} for name, type_ in view["columns"])
    return Described(thing, f"{view['name']} v{view['version']}: {view['description']}", facts, columns, **common)


def _dataset(lake: LakeMap, thing: Thing, common: Mapping[str, Any]) -> Described:
    manifest = lake.datasets[thing.name]
    parts, first = manifest["parts"], manifest["order"][0]
    facts = (
        ("made", f"{manifest['created_at'][:19].replace('T', ' ')} UTC by {manifest['created_by']}"),
        ("rows", ", ".join(f"{name} {parts[name]['rows']:,}" for name in manifest["order"])),
        ("histories", ", ".join(f"{n} {h['rows']:,} events" for n, h in manifest["histories"].items()) or "none"),
        ("split", f"{manifest['split_text']}, seed {manifest['seed']}"),
        ("pinned", ", ".join(f"{pin['group']} at {pin['version']}" for pin in manifest["pins"])),
        ("engine", manifest["engine"]),
        ("warnings", "; ".join(manifest["warnings"]) or "none"),
        ("folder", str(lake.store.lake / "training_datasets" / manifest["view"] / manifest["folder"])),
    )
    statistics = Statistics.from_json(parts[first]["statistics"])
    return Described(thing, f"Training dataset {thing.name}", facts, (), statistics, **common)


def _release(lake: LakeMap, thing: Thing, common: Mapping[str, Any]) -> Described:
    it = lake.releases[thing.name]
    release = it.release
    card = lake.store.lake / "model_cards" / f"{thing.name[:12]}.html"
    verdict = "passed its gates" if release.blessed else "refused: " + "; ".join(release.verdict.get("reasons", ()))
    facts = (
        ("id", thing.name),
        ("serves", it.role or "no"),
        ("gates", verdict if release.verdict else "were not asked"),
        ("released", f"{it.recorded.at[:19].replace('T', ' ')} UTC by {it.recorded.who}"),
        ("members", ", ".join(f"{role} ({ref.kind}, {ref.bytes:,} B)" for role, ref in release.members.items())),
        ("thresholds", ", ".join(f"{name} {value:.4g}" for name, value in release.thresholds.items()) or "none"),
        ("trained on", "; ".join(f"{r} on {', '.join(up)}" for r, up in release.trained_on.items()) or "data only"),
        ("made with", ", ".join(f"{name} {value[:20]}" for name, value in release.made_with.items()) or "unknown"),
        ("flow run", release.flow_run or "none"),
        ("model card", str(card) if card.exists() else "none"),
    )
    return Described(thing, f"Release {thing.name[:12]} of {it.registry}", facts, (), None, release.metrics, **common)
