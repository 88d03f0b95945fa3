"""`alluvia releases`, `promote`, `rollback` and `experiments`: what was trained, how good it is, and what serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.output import Answer, frame_table
from deployments.cli.verb import Shared

if TYPE_CHECKING:
    import polars as pl

    from models.errors import UnknownName
    from models.lake_map import LakeMap
    from models.registry import Registry
    from models.switches import Switch

_SHOWN = ("release", "role", "blessed", "released_at", "who", "router auc", "ece", "ndcg@10", "exposure")
Why = Annotated[str, typer.Option("--reason", help="Why, for the history.")]


def releases(shared: Shared) -> Answer:
    """Every release: champion, challenger, what the gates said, figures; all figures with --json, or show RELEASE."""
    from models.lake_map import LakeMap
    from models.releases_table import releases_table

    found = releases_table(LakeMap(shared.store))
    if not found.height:
        return Answer([], ["Nothing was released yet: make run trains and releases."])
    shown = _chosen(found, _SHOWN)
    return Answer(found, [frame_table("Releases", shown)])


def promote(
    shared: Shared,
    release: Annotated[str, typer.Argument(help="The first digits of its id.", show_default=False)],
    reason: Why = "",
) -> Answer:
    """Make a release that passed its gates champion: router and branches move together, in one write."""
    registry, chosen = _registry_of(shared, release)
    return _switched(registry, registry.promote(chosen, reason=reason))


def rollback(
    shared: Shared,
    to: Annotated[str, typer.Argument(help="An earlier champion; by default the one before.")] = "",
    reason: Why = "",
    registry: Annotated[str, typer.Option(help="Of which registry, where a lake has several.")] = "",
) -> Answer:
    """Go back to the champion before this one, or to an earlier one; the next run does not undo it."""
    from models.lake_map import LakeMap

    if to:
        found, chosen = _registry_of(shared, to)
        return _switched(found, found.rollback(chosen, reason=reason))
    found = _only_registry(LakeMap(shared.store), registry)
    return _switched(found, found.rollback(reason=reason))


def experiments(
    shared: Shared,
    training: Annotated[str, typer.Option(help="Name of the training; by default every one.")] = "",
) -> Answer:
    """Every variant that was trained and judged: what it was asked for, what came of it."""
    import polars as pl

    from models.experiments import experiments as trail
    from models.experiments import trainings

    store = shared.store
    known = trainings(store)
    if training and training not in known:
        raise _unknown("training", training, known)
    made = [trail(store, f"training/{name}") for name in known if training in ("", name)]
    found = (
        pl.concat([table for table in made if table.height], how="diagonal") if any(m.height for m in made) else None
    )
    if found is None:
        return Answer([], ["Nothing was tried yet: make run, or make compare VARIANTS=miss_cost=3."])
    changed = [name for name in found.columns if name.startswith("with_")]
    return Answer(found, [frame_table("Experiments, oldest first", _chosen(found, ("recorded_at", *changed, *_TRIED)))])


_TRIED = ("release", "blessed", "router auc", "ece", "ndcg@10", "exposure", "reasons")


def _chosen(found: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    return found.select(name for name in names if name in found.columns)


def _registry_of(shared: Shared, release: str) -> tuple[Registry, str]:
    from models.lake_map import LakeMap

    lake = LakeMap(shared.store)
    thing = lake.find(release, "release")
    return lake.registries[lake.releases[thing.name].registry], thing.name


def _only_registry(lake: LakeMap, name: str) -> Registry:
    if len(lake.registries) == 1 and not name:
        return next(iter(lake.registries.values()))
    if name not in lake.registries:
        raise _unknown("registry", name, list(lake.registries))
    return lake.registries[name]


def _unknown(kind: str, name: str, known: list[str]) -> UnknownName:
    from feature_groups.store.errors import did_you_mean
    from models.errors import UnknownName

    return UnknownName(
        f"{kind} {name[:80]!r}",
        what=f"The lake has no {kind} of that name. {did_you_mean(name, known)}",
        state="was not looked up; what serves is as it was",
        next_step=f"name one: --{kind} NAME.",
    )


def _switched(registry: Registry, switch: Switch) -> Answer:
    champion = switch.champion[:12] if switch.champion else "none"
    told = f"Release {champion} of {registry.name} serves (switch {switch.number}, {switch.action} by {switch.who})."
    return Answer(switch, [told])
