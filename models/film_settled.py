"""What makes judging needless: a release of the very same members that serves, or that a person took out of service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from models.film_release import PROFILE
from models.registry import Registry
from models.release import Reference, Release


@dataclass(frozen=True)
class Settled:
    """A release that is made of what a training made.

    Attributes:
        release: Its id.
        why: Why nothing is left to judge, in a sentence.
        metrics: As they were judged; none where it was withdrawn.
        withdrawn: Whether a person rolled it back.
    """

    release: str
    why: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    withdrawn: bool = False


def settled(
    registry: Registry, members: Mapping[str, Reference], threshold: float, views: Mapping[str, str]
) -> Settled | None:
    """The champion, where it has these members and is monitored; else one of them that was rolled back; else None.

    What a person took out of service is not put back by the next run, but by a person.

    Args:
        registry: Of the releases.
        members: By role; others that a release has besides are made of these.
        threshold: Above which a user counts as a minor.
        views: Contract of each view that was trained on: one of these members that was trained on a view as it was
            before cannot be asked.
    """

    def made_of(release: Release) -> bool:
        held = release.members
        same = all(role in held and held[role].content == reference.content for role, reference in members.items())
        as_now = {used.view: used.contract for used in release.datasets} == dict(views)
        return same and as_now and release.thresholds.get("minors") == threshold

    champion = registry.champion()
    if champion is not None and PROFILE in champion.members and made_of(champion):
        return Settled(champion.id, f"release {champion.id[:12]} serves, which is made of these", champion.metrics)
    found = None
    switches = registry.switches()
    for before, after in pairwise(switches):
        if after.action == "rollback" and before.champion is not None:
            if made_of(registry.get(before.champion)):
                why = f"rolled back at {after.at[:16]} by {after.who}: {after.reason or 'no reason'}"
                found = Settled(before.champion, why, withdrawn=True)
        elif after.champion is not None and found and after.champion == found.release:
            found = None
    return found
