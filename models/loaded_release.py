"""A release in memory: every member restored, put together, and asked its golden vectors before it may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import polars as pl
from numpy.typing import NDArray

from models.errors import InvalidRelease
from models.golden import Golden, GoldenCheck
from models.parts import Member
from models.registry import Registry
from models.release import Release


class Answering(Protocol):
    """What answers raw rows."""

    def answer(self, rows: pl.DataFrame) -> Mapping[str, NDArray[Any]]:
        """One entry per row in every array, by name."""
        ...


T = TypeVar("T", bound=Answering)


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """A release that may answer.

    Attributes:
        release: Its manifest.
        model: Its members put together.
        golden: How it answered its golden vectors here.
    """

    release: Release
    model: T
    golden: GoldenCheck


def load(
    registry: Registry,
    release: Release,
    classes: Iterable[type[Member]],
    put_together: Callable[[Mapping[str, Member], Release], T],
) -> Loaded[T]:
    """Restore a release and ask it its golden vectors.

    Args:
        registry: That it is in.
        release: To be loaded, e.g. ``registry.champion()``.
        classes: Those that its members may be of.
        put_together: Makes what answers, of the members by role and the manifest.

    Raises:
        MemberMissing, ArtefactDamaged, LibraryDiffers, UntrustedType: A member cannot be restored.
        InvalidRelease: It has no golden vectors.
        GoldenDiffers: It answers other than it did when it was made, by more than it may.
    """
    where = f"release {release.id[:12]} of {registry.where}"
    if release.golden is None:
        raise InvalidRelease(
            where,
            what="It has no golden vectors, so that nobody can tell whether it answers here as it did.",
            state="was not loaded",
            next_step="release it again with golden=registry.put(Golden.asked(rows, model.answer)).",
        )
    model = put_together(registry.members(release, classes), release)
    golden = registry.restore(release.golden, [Golden], "golden vectors")
    assert isinstance(golden, Golden)
    return Loaded(release, model, golden.check(model.answer, where))
