"""`alluvia vacuum`, `verify` and `doctor`: what can go, whether all is whole, whether this machine is ready."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.output import Answer, plain, size, table
from deployments.cli.verb import Shared

if TYPE_CHECKING:
    from feature_groups.store import FeatureGroup
    from models.lake_map import LakeMap, Thing

_SIGNS = {"good": "ok", "note": "note", "bad": "PROBLEM"}


def vacuum(
    shared: Shared,
    name: Annotated[str, typer.Argument(help="Only this feature group; its releases' members stay then.")] = "",
    retain: Annotated[float, typer.Option(min=0, help="Days of history that stay readable.")] = 30,
    remove: Annotated[
        bool, typer.Option("--remove/--dry-run", help="Remove the files; by default only say which.")
    ] = False,
) -> Answer:
    """Which files no version of the last days needs, and who pins what; --remove removes them."""
    from models.lake_map import LakeMap

    store, span = shared.store, timedelta(days=retain)
    lake = LakeMap(store)
    group = _group(lake, name) if name else None
    report = store.vacuum(retain=span, group=group, dry_run=not remove)
    collected = {}
    if group is None and lake.registries:
        answered = lake.answered()
        for registry in lake.registries.values():
            pinned = [name for name in answered if lake.releases[name].registry == registry.name]
            collected[registry.name] = registry.collect(pinned=pinned, younger=span, dry_run=not remove)
    document = {"title": report.title, "dry_run": report.dry_run, "tables": list(report), "registries": collected}
    shown = [f"{report!r}\n", *(f"Registry {name}: {found!r}\n" for name, found in collected.items())]
    return Answer(document, shown if remove else [*shown, "Nothing was removed; --remove does it."])


def verify(
    shared: Shared,
    names: Annotated[list[str] | None, typer.Argument(help="Only these groups, datasets or releases.")] = None,
) -> Answer:
    """Read every file and compare it with its checksum, every table with its commits; say which file is bad."""
    from models.lake_map import LakeMap
    from models.registry_check import verified_releases

    store = shared.store
    lake = LakeMap(store)
    chosen = None if not names else [lake.find(name) for name in names]
    found = store.verify(None if chosen is None else {t.name for t in chosen if t.kind != "release"})
    if chosen is None or any(t.kind == "release" for t in chosen):
        wanted = None if chosen is None else {t.name for t in chosen}
        every = [one for registry in lake.registries.values() for one in verified_releases(registry)]
        found += [one for one in every if wanted is None or one.name in wanted]
    rows = [
        (
            one.kind,
            one.name[:12] if one.kind == "release" else one.name,
            f"{one.files:,}",
            size(one.bytes),
            ("whole" if one.whole else "; ".join(one.problems))
            + (f" ({one.unsure} files have no checksum)" if one.unsure else ""),
        )
        for one in found
    ]
    bad = [one for one in found if not one.whole]
    shown: list[Any] = [table("Verified", ("kind", "name", "files", "bytes", "found"), rows, ("files", "bytes"))]
    shown += [f"{one.name[:40]}: {one.next_step}" for one in bad]
    shown.append(f"{len(bad)} of {len(found)} are damaged." if bad else f"All {len(found)} are whole.")
    return Answer(plain(found), shown, code=1 if bad else 0)


def doctor(shared: Shared) -> Answer:
    """Look whether this machine can run everything: Python, packages, Java, jars, server, settings, lake, disk."""
    from deployments.doctor import examined

    found = examined(shared.lake)
    rows = [
        (one.name, _SIGNS[one.state], one.found + (f" Next: {one.next_step}" if one.next_step else "")) for one in found
    ]
    bad = sum(one.state == "bad" for one in found)
    last = f"{bad} of {len(found)} need you." if bad else "This machine is ready."
    return Answer(found, [table("What was looked at", ("what", "state", "found"), rows), last], code=1 if bad else 0)


def _group(lake: LakeMap, name: str) -> FeatureGroup:
    from models.errors import UnknownName

    thing: Thing = lake.find(name)
    if thing.kind != "group":
        raise UnknownName(
            f"{name[:80]!r}",
            what=f"It is a {thing}; only feature groups are vacuumed.",
            state="was not vacuumed",
            next_step="name a feature group: alluvia groups.",
        )
    declared = lake.groups[thing.name]
    return lake.store.get_feature_group(declared["name"], declared["version"]).declaration
