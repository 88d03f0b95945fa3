"""What a registry keeps and what it lets go: the bytes of members that no release in use needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from feature_groups.store.faults import faultpoint
from feature_groups.store.html_table import html_table
from models.release import Reference, Release

if TYPE_CHECKING:
    from models.registry import Registry


@dataclass(frozen=True)
class Collected:
    """What a collection did, or would do.

    Attributes:
        kept: Ids of the releases whose members stay, with the reason.
        releases: Ids of the releases whose members go, as far as no other release needs them.
        objects: sha256 of the members' bytes that go.
        bytes: How many those are.
        dry_run: Whether nothing was removed.
    """

    kept: dict[str, str]
    releases: tuple[str, ...]
    objects: tuple[str, ...]
    bytes: int
    dry_run: bool

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  keeps {name[:12]}: {why}" for name, why in self.kept.items())])

    def _repr_html_(self) -> str:
        kept = [(name[:12], why) for name, why in self.kept.items()]
        return f"<p>{self._title()}</p>{html_table(('keeps', 'why'), kept)}"

    def _title(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        return f"{verb} {len(self.objects)} members, {self.bytes:,} bytes, of {len(self.releases)} releases"


def collect(
    registry: Registry,
    champions: Sequence[str],
    pinned: Sequence[str],
    members: Collection[str],
    parents: int,
    younger: timedelta,
    *,
    dry_run: bool,
) -> Collected:
    """Remove what is in no release to keep; called under the registry's lock."""
    metadata, root = registry.metadata, registry.root
    before = datetime.now(UTC) - younger
    kept = _kept(registry, champions, pinned, parents, before)
    needed = {reference.sha256 for name in kept for reference in registry.get(name).stored.values()}
    named = (metadata.get(f"{root}/members/{content}.json") for content in members)
    needed |= {Reference(**found).sha256 for found in named if found is not None}
    objects = metadata.changed(f"{root}/objects")
    going = {path: size for path, (at, size) in objects.items() if _name(path) not in needed and at < before}
    gone = {_name(path) for path in going}
    result = Collected(
        kept,
        tuple(entry.id for entry in registry.releases() if entry.id not in kept),
        tuple(sorted(gone)),
        sum(going.values()),
        dry_run,
    )
    if dry_run:
        return result
    for path in metadata.names(f"{root}/members"):
        stored = metadata.get(path)
        if stored is not None and Reference(**stored).sha256 in gone:
            metadata.remove(path)  # before the bytes, so that no reference is left that names nothing
    for path in sorted(going):
        metadata.remove(path)
        faultpoint("release.collecting")
    return result


def _kept(
    registry: Registry, champions: Sequence[str], pinned: Iterable[str], parents: int, before: datetime
) -> dict[str, str]:
    state = registry.state()
    kept: dict[str, str] = {}
    for role, name in (("champion", state.champion), ("challenger", state.challenger)):
        if name is not None:
            kept.setdefault(name, role)
            for generation, parent in enumerate(_parents(registry, name, parents), 1):
                kept.setdefault(parent, f"parent {generation} of the {role}")
    for name in champions[::-1][1 : parents + 1]:
        kept.setdefault(name, "an earlier champion")
    for name in pinned:
        kept.setdefault(registry.get(name).id, "pinned")
    # By the clock that wrote the objects: the store's own may be that of its data.
    for path, (at, _) in registry.metadata.changed(f"{registry.root}/releases").items():
        entry = registry.metadata.get(path)
        if entry is not None and at >= before:
            kept.setdefault(str(entry["id"]), f"released {at:%Y-%m-%d %H:%M} UTC")
    return kept


def _parents(registry: Registry, name: str, generations: int) -> Iterator[str]:
    release: Release = registry.get(name)
    for _ in range(generations):
        if release.parent is None:
            return
        yield release.parent
        release = registry.get(release.parent)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
