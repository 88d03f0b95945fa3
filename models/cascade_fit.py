"""Fit a cascade: the router out of fold, then every branch on the rows that it would send there.

Each step is a function of its own, so that a flow can leave out those of which nothing changed: `fit_router`,
`routed`, `fit_branch` once per branch, `assembled`. A branch depends on the rows, the material, its own declaration,
the policy, and the router's content hash: while these stand, it need not be fitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import polars as pl

from models.artefact import pack
from models.cascade import Answering, Branch, Cascade
from models.cascade_decision import ROUTER, FittedCascade, Routing
from models.errors import FoldsMismatch, InvalidCascade
from models.out_of_fold import FOLDS, OutOfFold
from models.out_of_fold_fit import fit_out_of_fold, stratified_folds
from models.probability_model import FittedProbabilityModel

Material = Mapping[str, Any]


@dataclass(frozen=True)
class TrainedCascade:
    """What training gives.

    Attributes:
        cascade: To serve and release.
        out_of_fold: The routers' out-of-fold predictions, by the router's role.
        routed: The rows each router routed, with ``oof_score``, ``fold`` and ``route``, by the router's role.
    """

    cascade: FittedCascade
    out_of_fold: Mapping[str, OutOfFold]
    routed: Mapping[str, pl.DataFrame]


def fit_cascade(
    cascade: Cascade,
    rows: pl.DataFrame,
    material: Material | None = None,
    *,
    k: int = FOLDS,
    seed: int = 0,
    folds: pl.Series | None = None,
    trained_on: Mapping[str, str] | None = None,
    role: str = "",
) -> TrainedCascade:
    """Fit the router and all branches.

    Args:
        cascade: The declaration.
        rows: The training split: the router's entity, label and inputs, and what the branches take.
        material: What else branches train on, by name.
        k: Number of folds.
        seed: Of the folds.
        folds: The fold of each row; dealt by `stratified_folds` by default.
        trained_on: Content hashes of routers that chose the rows, by role.
        role: Prefix of the members' roles, of a cascade within a cascade.

    Raises:
        NothingToTellApart: A class of the label has no row.
        InvalidCascade: The label has other classes than the branches stand for, or no row is sent to a branch.
    """
    dealt = stratified_folds(cascade.router, rows, k, seed) if folds is None else folds
    router, found = fit_router(cascade, rows, dealt, trained_on)
    table = routed(cascade, rows, found)
    upstream = {f"{role}{ROUTER}": content_of(router)}
    predictions, tables = {f"{role}{ROUTER}": found}, {f"{role}{ROUTER}": table}
    branches: dict[str, Answering | FittedCascade] = {}
    for branch in cascade.branches:
        if isinstance(branch.model, Cascade):
            own, below = _own(cascade, branch, table), f"{role}{branch.name}/"
            inner = fit_cascade(branch.model, own, material, k=k, seed=seed, trained_on=upstream, role=below)
            branches[branch.name] = inner.cascade
            predictions |= inner.out_of_fold
            tables |= inner.routed
        else:
            branches[branch.name] = fit_branch(cascade, branch.name, table, upstream, material or {})
    return TrainedCascade(assembled(cascade, router, branches), predictions, tables)


def fit_router(
    cascade: Cascade, rows: pl.DataFrame, folds: pl.Series, trained_on: Mapping[str, str] | None = None
) -> tuple[FittedProbabilityModel, OutOfFold]:
    """The router, and what it says of each row out of fold.

    Raises:
        InvalidCascade: The label has other classes than the branches stand for.
        NothingToTellApart, FoldsMismatch: As of `fit_out_of_fold`.
    """
    router, found = fit_out_of_fold(cascade.router, rows, folds, trained_on)
    if found.classes != cascade.classes:
        raise InvalidCascade(
            cascade.where,
            what=f"{cascade.router.label} has the classes {list(found.classes)}, the branches stand for "
            f"{list(cascade.classes)}.",
            state="was not fitted",
            next_step="declare one branch on each class.",
        )
    return router, found


def routed(cascade: Cascade, rows: pl.DataFrame, found: OutOfFold) -> pl.DataFrame:
    """The rows with ``oof_score``, ``fold`` and ``route``: where the policy sends them, out of fold.

    Raises:
        FoldsMismatch: The predictions are of other rows.
    """
    if found.entities.to_list() != rows[found.entity].to_list():
        raise FoldsMismatch(
            cascade.where,
            what="The out-of-fold predictions are of other rows, or of these in another order.",
            state="was not fitted",
            next_step="give the rows that the router was fitted on.",
        )
    route, _ = cascade.policy.chosen(found.probabilities, cascade.routes)
    columns = found.frame.select("oof_score", "fold")
    return rows.with_columns(*columns, pl.Series("route", route.tolist(), dtype=pl.String()))


def fit_branch(
    cascade: Cascade, name: str, table: pl.DataFrame, trained_on: Mapping[str, str], material: Material
) -> Answering:
    """One branch.

    Args:
        cascade: The declaration.
        name: Of the branch; not a cascade of its own.
        table: What `routed` gave.
        trained_on: The router's content hash, by its role.
        material: What else branches train on, by name.

    Raises:
        InvalidCascade: The cascade has no such branch, or sends no row to it.
    """
    branch = next((b for b in cascade.branches if b.name == name and not isinstance(b.model, Cascade)), None)
    if branch is None:
        raise InvalidCascade(
            cascade.where,
            what=f"It has no branch {name!r} to be fitted by itself.",
            state="was not fitted",
            next_step=f"choose one of {', '.join(b.name for b in cascade.branches)}.",
        )
    fitted = cast(Any, branch.model).fit(_own(cascade, branch, table), table, material)
    # What only takes over from others is fitted on everybody: no prediction chose its rows.
    return cast(Answering, replace(fitted, trained_on={} if branch.on is None else dict(trained_on)))


def assembled(
    cascade: Cascade, router: FittedProbabilityModel, branches: Mapping[str, Answering | FittedCascade]
) -> FittedCascade:
    """The cascade of fitted members; a branch of another router is found when the release is made."""
    names = {branch.name: isinstance(branch.model, Cascade) for branch in cascade.branches}
    declared = cascade.fingerprint
    routing = Routing(
        cascade.name,
        cascade.version,
        declared,
        cascade.classes,
        cascade.routes,
        names,
        cascade.fallbacks,
        cascade.policy,
    )
    return FittedCascade(routing, router, {name: branches[name] for name in names})


def content_of(member: FittedProbabilityModel) -> str:
    """The member's content hash, its out-of-fold predictions included: what depends on it depends on this alone."""
    return pack(member).content


def _own(cascade: Cascade, branch: Branch, table: pl.DataFrame) -> pl.DataFrame:
    own = table if branch.on is None else table.filter(pl.col("route") == branch.name)
    if own.is_empty():
        raise InvalidCascade(
            cascade.where,
            what=f"Out of fold, none of {table.height:,} rows is sent to {branch.name!r}.",
            state="was not fitted",
            next_step="correct the costs, or train on rows of every route.",
        )
    return own
