"""Members by their content: stored once, wherever and however often the same one is made."""

from __future__ import annotations

from collections.abc import Iterable

from feature_groups.store.errors import did_you_mean
from feature_groups.store.faults import faultpoint
from feature_groups.store.metadata import Metadata
from models.artefact import pack, unpack
from models.errors import InvalidRelease, MemberMissing
from models.parts import Member
from models.release import Reference, Release


class MemberStore:
    """The members of one registry.

    Args:
        metadata: Where they are kept.
        root: Path of the registry.
        where: Names the registry in errors.
    """

    def __init__(self, metadata: Metadata, root: str, where: str) -> None:
        self._metadata, self._root, self._where = metadata, root, where

    def put(self, member: Member) -> Reference:
        """Store a member; one that is there already, by its content, is not stored again.

        Raises:
            InvalidParts, UntrustedType: It cannot be stored.
        """
        artefact = pack(member)
        known = f"{self._root}/members/{artefact.content}.json"
        if (found := self._metadata.get(known)) is not None:
            reference = Reference(**found)
            if self.holds(reference):
                return reference
            # Its bytes were removed by hand or by a collection that died: what is stored now takes their place.
            self._metadata.remove(known)
        self._metadata.put_bytes_if_absent(self._object(artefact.sha256), artefact.data)
        faultpoint("release.member_stored")
        made = Reference(artefact.kind, artefact.content, artefact.sha256, len(artefact.data))
        self._metadata.put_if_absent(known, vars(made))
        faultpoint("release.member_known")
        stored = self._metadata.get(known)  # what another process put there first counts
        return Reference(**stored) if stored else made

    def restore(self, reference: Reference, classes: Iterable[type[Member]], role: str = "member") -> Member:
        """A member from its bytes.

        Args:
            reference: Where it is.
            classes: Those that a member of this registry may be of; told apart by ``kind``.
            role: Names it in errors.

        Raises:
            MemberMissing: Its bytes are gone.
            ArtefactDamaged, LibraryDiffers, UntrustedType: They are not to be loaded.
            InvalidRelease: None of the classes is of its kind.
        """
        where = f"{role!r} of {self._where}"
        kinds = {cls.kind: cls for cls in classes}
        if reference.kind not in kinds:
            raise InvalidRelease(
                where,
                what=f"No class of the kind {reference.kind!r} was given. {did_you_mean(reference.kind, kinds)}",
                state="was not loaded",
                next_step="name its class among those given.",
            )
        data = self._metadata.get_bytes(self._object(reference.sha256))
        if data is None:
            raise self._missing(role, reference)
        return kinds[reference.kind].of(unpack(data, reference.sha256, where))

    def known(self, content: str, role: str) -> Reference:
        """Where the member of a content is.

        Raises:
            MemberMissing: There is none.
        """
        found = self._metadata.get(f"{self._root}/members/{content}.json")
        if found is None:
            raise self._missing(role, Reference("member", content, "", 0))
        return Reference(**found)

    def holds(self, reference: Reference) -> bool:
        """Whether the bytes of a member are there."""
        return self._metadata.exists(self._object(reference.sha256))

    def check(self, release: Release) -> None:
        """Check that every member of a release is there.

        Raises:
            MemberMissing: One is not; names it.
        """
        for role, reference in release.stored.items():
            if not self.holds(reference):
                raise self._missing(role, reference)

    def _object(self, sha256: str) -> str:
        return f"{self._root}/objects/{sha256}"

    def _missing(self, role: str, reference: Reference) -> MemberMissing:
        return MemberMissing(
            f"{role!r} of {self._where}",
            what=f"The {reference.bytes:,} bytes of the {reference.kind} {reference.content[:12]} are not there: "
            "never put, or collected since no release in use needed them.",
            state="was not loaded or released; nothing was switched",
            next_step="put the member again (registry.put), or take a release that is in use.",
        )
