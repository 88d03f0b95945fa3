"""The reaction: whether anything calls for a run of the pipeline, whether that run trains, and under which key.

Everything is read from the lake: what feature steps would do, which versions no run has handled, what was noticed.
What woke the decision does not matter, so it comes out the same however often and in whatever order it is woken.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from feature_groups.store.digest import digest
from feature_groups.store.errors import NothingWritten, SourceMissing
from feature_groups.store.outbox import Outbox
from feature_groups.store.steps import Steps

if TYPE_CHECKING:
    from feature_groups.store import FeatureGroup, FeatureStore, FeatureView
    from feature_groups.store.outbox import Notice, TableVersion

PIPELINE, TRAINING = "pipeline", "training"
"""The consumers: one handles what features and predictions are made of, one what models are trained on."""

ALARMS = ("feature.drifted", "metric.breached")
"""Notices that call for a training."""

OVERDUE = "freshness.missed"
"""The notice that calls for another look at the sources."""

log = logging.getLogger(__name__)

COOL_DOWN = timedelta(days=1)
_NAMED = 4
"""Reasons that are told one by one."""


@dataclass(frozen=True)
class Work:
    """A step that would run.

    Attributes:
        step: Its name.
        why: The reasons in a line.
        key: The same while it would do the same.
    """

    step: str
    why: str
    key: str


@dataclass(frozen=True)
class Reaction:
    """What is to be done.

    Attributes:
        run: Whether the pipeline is to run.
        train: Whether that run trains.
        key: The same for the same things to react to.
        reasons: Why, or why not; one line each.
    """

    run: bool
    train: bool
    key: str = field(repr=False)
    reasons: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """The reasons in one line."""
        more = f"; and {len(self.reasons) - _NAMED} more" if len(self.reasons) > _NAMED else ""
        return "; ".join(self.reasons[:_NAMED]) + more


def reaction(
    store: FeatureStore,
    groups: Collection[str],
    steps: Iterable[Work],
    *,
    cool_down: timedelta = COOL_DOWN,
    new_rows: float = 0.0,
) -> Reaction:
    """Decide by what the lake says now.

    A first training, an alarm, and enough new rows call for a training.

    Args:
        store: The lake.
        groups: What the models are made from, as ``<name>_v<version>``.
        steps: The feature steps that would run.
        cool_down: Least time between two trainings; what calls for one sooner waits, and is not lost.
        new_rows: Share of a group's rows that must have come since the last training to call for the next one; with 0
            anything new does.
    """
    work = list(steps)
    pipeline, training = Outbox(store, PIPELINE), Outbox(store, TRAINING)
    unscored, untrained = pipeline.pending(groups), training.pending(groups)
    late = [one for one in pipeline.notices() if one.name == OVERDUE]
    alarms = [one for one in training.notices() if one.name in ALARMS]
    last = training.moved_at()
    cooled = last is None or store.clock() - last >= cool_down
    moving = [one for one in work if one.step in groups]
    enough = bool(untrained) and _share(untrained) >= new_rows
    due = bool(alarms or enough or (moving and (last is None or not new_rows)))
    train = due and cooled
    told = alarms if train else []
    reasons = [f"{one.step}: {one.why}" for one in work] + _moved(unscored) + _noticed([*late, *told])
    if train and not reasons:
        reasons = [f"{line}, not trained on yet" for line in _moved(untrained)]
    run = bool(work or unscored or late or train)
    if not run:
        reasons = [_idle(last, cool_down, waits=due)]
    about = {
        "work": {one.step: one.key for one in work},
        "versions": [[v.group, v.table_id, v.version] for v in (*unscored, *(untrained if train else ()))],
        "notices": [one.id for one in (*late, *told)],
        "train": train,
    }
    return Reaction(run, train, digest(about), tuple(reasons))


def work_to_do(store: FeatureStore, groups: Iterable[FeatureGroup], data: Path | None) -> list[Work]:
    """The feature steps that would run now; one that cannot be decided, as its raw file is not here, is left out.

    Args:
        store: The lake.
        groups: Declarations; those without source and parents have no step.
        data: Folder of the raw files.
    """
    found = []
    for group in groups:
        if not (group.source or group.parents):
            continue
        try:
            decision = Steps(store).decide(group, data)
        except (SourceMissing, NothingWritten) as error:
            log.info("%s: %s", group, error.what)
            continue
        if decision.run:
            found.append(Work(decision.step, decision.why, decision.batch_key))
    return found


def groups_behind(views: Iterable[FeatureView]) -> frozenset[str]:
    """Every group that the views read, and every group behind those, as ``<name>_v<version>``."""
    waiting = [group for view in views for group in view.groups]
    found: set[str] = set()
    while waiting:
        group = waiting.pop()
        if group.id not in found:
            found.add(group.id)
            waiting += group.upstream
    return frozenset(found)


def handled(store: FeatureStore, versions: dict[str, int], notices: int, *, trained: bool) -> None:
    """Say that a run of the pipeline has handled everything up to these versions and this notice.

    Args:
        store: The lake.
        versions: Delta versions that the run saw or made, by ``<name>_v<version>``.
        notices: Number of the newest notice at its begin.
        trained: Whether it trained.
    """
    for consumer in (PIPELINE, TRAINING) if trained else (PIPELINE,):
        Outbox(store, consumer).advance(versions, notices)


def _share(versions: Sequence[TableVersion]) -> float:
    """Of the group that grew most, the rows that came, as a share of those before; infinite where that is not known."""
    came: dict[str, int] = {}
    before: dict[str, int] = {}
    for version in versions:
        before.setdefault(version.group, version.rows - version.inserted + version.deleted)
        came[version.group] = came.get(version.group, 0) + version.inserted
    return max(came[group] / rows if rows > 0 else float("inf") for group, rows in before.items())


def _moved(versions: Sequence[TableVersion]) -> list[str]:
    """One line per group: how far it moved."""
    newest = {version.group: version.version for version in versions}
    return [f"{group} moved to v{version}" for group, version in newest.items()]


def _noticed(notices: Sequence[Notice]) -> list[str]:
    return [f"{one.name} of {one.about} at {one.at[:16].replace('T', ' ')} UTC" for one in notices]


def _idle(last: object, cool_down: timedelta, *, waits: bool) -> str:
    if waits and last is not None:
        return f"the next training waits: the last was at {str(last)[:16]} UTC, and the cool-down is {cool_down}"
    return "nothing new since the last run"
