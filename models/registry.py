"""The registry: members by their content, immutable releases of them, and who is champion.

All of it is immutable objects on the metadata port, so that a folder and an object store behave alike:

    registries/<name>/objects/<sha256>            a member's bytes
                     /members/<content>.json      where a member of this content is
                     /reports/<digest>.json       evaluation reports
                     /attempts/<digest>.json      the flow run that first tried to make a release, which it then names
                     /manifests/<id>.json         releases, named by their manifest's sha256
                     /releases/000001.json        the log in which a release is from then on
                     /switches/000001.json        the log of who is champion; one write is one switch
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

from feature_groups.store.commit_note import author
from feature_groups.store.digest import digest
from feature_groups.store.errors import did_you_mean
from feature_groups.store.faults import faultpoint
from feature_groups.store.feature_store import FeatureStore
from feature_groups.store.lock import table_lock
from feature_groups.store.names import check_name
from models.errors import ArtefactDamaged, NotBlessed, UnknownRelease
from models.member_store import MemberStore
from models.parts import Json, Member
from models.registry_collection import Collected, collect
from models.release import GroupUsed, Recorded, Reference, Release
from models.release_attempts import as_first_tried
from models.switches import Switch, Switches


class Registry:
    """The releases of one name in a lake.

    Args:
        store: The lake.
        name: Of what is released, for example ``recommender``: ``[a-z][a-z0-9_]*``.

    Raises:
        InvalidDeclaration: The name is none.
    """

    def __init__(self, store: FeatureStore, name: str) -> None:
        check_name(name, kind="registry", where=f"registry {name!r}")
        self.name, self.where, self.root = name, f"registry {name!r}", f"registries/{name}"
        self._store, self.metadata = store, store.metadata
        self._members = MemberStore(store.metadata, self.root, self.where)
        self._switches = Switches(store.metadata, f"{self.root}/switches", self.where)

    def put(self, member: Member) -> Reference:
        """Store a member, unless one of the same content is there; see `MemberStore.put`."""
        return self._members.put(member)

    def restore(self, reference: Reference, classes: Iterable[type[Member]], role: str = "member") -> Member:
        """A member from its bytes, of one of the classes; see `MemberStore.restore`."""
        return self._members.restore(reference, classes, role)

    def member(self, content: str, classes: Iterable[type[Member]], role: str = "member") -> Member:
        """A member by its content; the same errors as `restore`."""
        return self.restore(self._members.known(content, role), classes, role)

    def members(self, release: Release, classes: Iterable[type[Member]]) -> dict[str, Member]:
        """Every member of a release by role; the same errors as `restore`."""
        known = list(classes)
        return {role: self.restore(reference, known, role) for role, reference in release.members.items()}

    def holds(self, reference: Reference) -> bool:
        """Whether a member's bytes are there."""
        return self._members.holds(reference)

    def put_report(self, report: Mapping[str, Json]) -> str:
        """Store an evaluation report as JSON; returns the digest that a release names it by."""
        name = digest(report)
        self.metadata.put_if_absent(f"{self.root}/reports/{name}.json", dict(report))
        return name

    def report(self, release: Release) -> dict[str, Any] | None:
        """The evaluation report of a release as JSON, or None when it has none."""
        return self.metadata.get(f"{self.root}/reports/{release.report}.json") if release.report else None

    def release(self, release: Release) -> str:
        """Make a release; the same again is the same release, written once, whichever flow run tries it again.

        Returns:
            Its id; its manifest names the flow run that tried it first.

        Raises:
            InvalidRelease: It cannot be one.
            MixedLineage: A member was trained on another member than the one in it.
            MemberMissing: A member's bytes are not in the registry.
        """
        release.check()
        with self._locked():
            recorded = {entry.id for entry in self.releases()}
            if release.parent is not None and release.parent not in recorded:
                raise self._unknown(release.parent, recorded)
            self._members.check(release)
            faultpoint("release.checked")
            made = as_first_tried(self.metadata, f"{self.root}/attempts", release)
            name = made.id
            self.metadata.put_if_absent(f"{self.root}/manifests/{name}.json", made.to_json())
            faultpoint("release.written")
            if name not in recorded:
                entry = {"id": name, "at": self._store.clock().isoformat(), "who": author()}
                self.metadata.append(f"{self.root}/releases", entry)
            faultpoint("release.recorded")
        return name

    def releases(self) -> list[Recorded]:
        """Every release that was made, oldest first."""
        return [Recorded(**entry) for entry in self.metadata.entries(f"{self.root}/releases")]

    def get(self, release: str) -> Release:
        """A release by its id or the first digits of it.

        Raises:
            UnknownRelease: There is none, or several begin so; says which there are.
            ArtefactDamaged: Its manifest is not the one that its id names.
        """
        stored = (
            self.metadata.get(f"{self.root}/manifests/{release}.json")
            if re.fullmatch("[0-9a-f]{64}", release)
            else None
        )
        if stored is None:
            known = [entry.id for entry in self.releases()]
            matching = [name for name in known if release and name.startswith(release)]
            if len(matching) != 1:
                raise self._unknown(release, known)
            release = matching[0]
            stored = self.metadata.get(f"{self.root}/manifests/{release}.json") or {}
        if digest(stored) != release:
            raise ArtefactDamaged(
                f"release {release[:12]} of {self.where}",
                what=f"Its manifest has the sha256 {digest(stored)}.",
                state="was not read",
                next_step="restore the registry's folder from a copy, or roll back: registry.rollback().",
            )
        return Release.from_json(stored)

    def using(self, group: str, *, version: int | None = None, table_id: str | None = None) -> list[str]:
        """Ids of the releases that were made from a feature group, oldest first.

        Args:
            group: ``<name>_v<version>`` of the group.
            version: Only from this Delta version of its table.
            table_id: Only from this table; one that was made anew has another id.
        """

        def matches(used: GroupUsed) -> bool:
            return used.group == group and version in (None, used.version) and table_id in (None, used.table_id)

        return [entry.id for entry in self.releases() if any(map(matches, self.get(entry.id).groups))]

    def ancestry(self, release: str) -> list[Release]:
        """What made a release: itself, then its parent, and so on; each tells its groups, datasets, code and run."""
        found = [self.get(release)]
        while (parent := found[-1].parent) is not None:
            found.append(self.get(parent))
        return found

    def state(self) -> Switch:
        """Who is champion and challenger now, in one read."""
        return self._switches.last()

    def switches(self) -> list[Switch]:
        """Every switch, oldest first."""
        return self._switches.all()

    def champion(self) -> Release | None:
        """The release that answers, or None before the first promotion."""
        champion = self.state().champion
        return None if champion is None else self.get(champion)

    def challenger(self) -> Release | None:
        """The release that is tried beside the champion, or None."""
        challenger = self.state().challenger
        return None if challenger is None else self.get(challenger)

    def promote(self, release: str, *, reason: str = "", after: int | None = None) -> Switch:
        """Make a release champion; nothing is written when it is already.

        Args:
            release: Its id.
            reason: Why.
            after: Number of the switch that this decision was made on; by default the newest at the call.

        Raises:
            UnknownRelease: There is none of that id.
            NotBlessed: It did not pass its gates.
            MemberMissing: A member's bytes are gone.
            SwitchConflict: Another process has switched since.
        """
        before = self._before(after)
        chosen = self.get(release)
        if not chosen.blessed:
            raise NotBlessed(
                f"release {chosen.id[:12]} of {self.where}",
                what="; ".join(chosen.verdict.get("reasons", ())) or "Its gates were never asked.",
                state=f"was not promoted (the champion is {(before.champion or 'none')[:12]})",
                next_step="train a better one, or declare other gates and evaluate it against them.",
            )
        challenger = before.challenger if before.challenger != chosen.id else None
        return self._switch(before, Switch(0, chosen.id, challenger, "promote", reason=reason), chosen)

    def challenge(self, release: str | None, *, reason: str = "", after: int | None = None) -> Switch:
        """Make a release challenger, blessed or not; None ends the trial. The same errors as `promote`."""
        before = self._before(after)
        chosen = None if release is None else self.get(release)
        challenger = chosen.id if chosen else None
        return self._switch(before, Switch(0, before.champion, challenger, "challenge", reason=reason), chosen)

    def rollback(self, to: str | None = None, *, reason: str = "", after: int | None = None) -> Switch:
        """Go back to the champion before this one, or to an earlier one: the same one write as a promotion.

        Raises:
            UnknownRelease: There was none before.
            MemberMissing, SwitchConflict: As for `promote`.
        """
        before = self._before(after)
        earlier = self._switches.champions()[:-1]
        target = self.get(to).id if to is not None else next(iter(earlier[::-1]), None)
        if target is None:
            raise UnknownRelease(
                self.where,
                what=f"Before {(before.champion or 'now')[:12]} it had no champion.",
                state="is as it was",
                next_step="promote a release that passed its gates.",
            )
        if target not in earlier:
            raise self._unknown(target, earlier)
        made = Switch(0, target, before.challenger, "rollback", reason=reason)
        return self._switch(before, made, self.get(target))

    def collect(
        self,
        *,
        pinned: Iterable[str] = (),
        members: Iterable[str] = (),
        parents: int = 3,
        younger: timedelta = timedelta(days=7),
        dry_run: bool = False,
    ) -> Collected:
        """Remove the bytes of members that no release in use needs; manifests and reports stay.

        Args:
            pinned: Ids of releases that somebody still needs, for example those in a log of predictions.
            members: Contents of members that somebody needs without a release.
            parents: How many generations of parents of champion and challenger, and of earlier champions, stay.
            younger: Releases and members made in this last span stay.
            dry_run: Remove nothing, only report what would go.

        Raises:
            UnknownRelease: A pinned release is none.
        """
        with self._locked():
            needed = self._switches.champions(), list(pinned), set(members)
            return collect(self, *needed, parents, younger, dry_run=dry_run)

    def _before(self, after: int | None) -> Switch:
        """The state that a switch is to follow."""
        now = self.state()
        return now if after is None or after >= now.number else self.switches()[after - 1] if after else Switch()

    def _switch(self, before: Switch, wanted: Switch, chosen: Release | None) -> Switch:
        if (wanted.champion, wanted.challenger) == (before.champion, before.challenger) and before == self.state():
            return before
        with self._locked():  # no collection may be between looking and switching
            if chosen is not None:
                self._members.check(chosen)
            faultpoint("release.before_switch")
            at, number = self._store.clock().isoformat(), before.number + 1
            made = replace(wanted, number=number, at=at, who=author())
            self._switches.add(made)
            faultpoint("release.after_switch")
        return made

    def _unknown(self, release: str, known: Iterable[str]) -> UnknownRelease:
        return UnknownRelease(
            self.where,
            what=f"It has no one release {release!r}. {did_you_mean(release, known)}",
            state="is as it was",
            next_step="take one of registry.releases().",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path, patience = self._store.lake / "locks" / f"registry_{self.name}.lock", self._store.writer.lock_timeout
        shared = self.metadata.shared
        with table_lock(path, timeout=patience, who=author(), where=self.where) if shared else nullcontext():
            yield
