"""CASCADE: a router and the branches it sends to, declared, trained, judged and released as one.

    gate = Cascade(
        name="films",
        version=1,
        router=router.v1,
        branches=(
            Branch("adults", SharedRanker(), on=False, fallback="popular"),
            Branch("minors", SharedRanker(policed=True), on=True, fallback="popular"),
            Branch("popular", MostLiked(policed=True)),  # takes over where another branch fails
        ),
        policy=RoutingPolicy(costs={"adults": 1, "minors": 7}, safe_route="minors", band=0.025),
    )
    trained = fit_cascade(gate, rows, material)  # models.cascade_fit: no code that serves can reach it
    trained.cascade.decide(rows)  # one route per row, with score, reason, and the branch's answer

The router may be any scikit-learn classifier; each of its classes has one branch, and a branch may be a cascade.
This module declares; `models.cascade_decision` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import polars as pl

from feature_groups.store.digest import digest
from feature_groups.store.errors import did_you_mean
from feature_groups.store.names import check_name
from models.errors import InvalidCascade
from models.parts import Member
from models.probability_model import Class, ProbabilityModel
from models.threshold import RoutingPolicy


class Answering(Member, Protocol):
    """A fitted branch: a frozen dataclass that is a member of a release.

    Each row is answered by itself: alone or among others, it gets the same answer.
    """

    @property
    def trained_on(self) -> Mapping[str, str]:
        """Content hash of the router on whose out-of-fold predictions it was trained, by the router's role."""
        ...

    def answers(self, rows: pl.DataFrame) -> pl.Series:
        """One answer per row, in their order, of one type; any exception means that it cannot answer."""
        ...


@runtime_checkable
class BranchModel(Protocol):
    """The declaration of what a branch learns."""

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared."""
        ...

    def fit(self, own: pl.DataFrame, everybody: pl.DataFrame, material: Mapping[str, Any]) -> Answering:
        """The branch, fitted.

        Args:
            own: The training rows that the router, out of fold, sends here: what the cascade was given, and
                ``oof_score``, ``fold`` and ``route``.
            everybody: The rows of all routes, the same columns.
            material: What else the cascade was given to train on, by name.
        """
        ...


@dataclass(frozen=True)
class Branch:
    """One branch of a cascade.

    Attributes:
        name: Names the route.
        model: What it learns, or a cascade of its own.
        on: The router's class that belongs here; None for a branch that only takes over from others.
        fallback: The branch that answers what this one cannot; None for none.
    """

    name: str
    model: BranchModel | Cascade
    on: Class | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class Cascade:
    """The declaration of a cascade, checked when it is made.

    Attributes:
        name: Of the cascade.
        version: From 1.
        router: Says how probable it is that a row belongs to each route.
        branches: At least two with a class of the router's; one for each of its classes.
        policy: Which route a probability takes; everybody takes its safe route when the router fails.
    """

    name: str
    version: int
    router: ProbabilityModel
    branches: tuple[Branch, ...]
    policy: RoutingPolicy

    def __post_init__(self) -> None:
        check_name(self.name, kind="cascade", where="a cascade")
        self._require(isinstance(self.version, int) and self.version >= 1, f"version is {self.version!r}.", "from 1")
        names = [branch.name for branch in self.branches]
        self._require(len(set(names)) == len(names), f"Its branches are {names}.", "one name for each")
        for branch in self.branches:
            self._check(branch)
        routed = [branch for branch in self.branches if branch.on is not None]
        classes = [branch.on for branch in routed]
        self._require(
            len(routed) >= 2 and len(set(classes)) == len(classes) and len({type(c) for c in classes}) == 1,
            f"Branches stand for the classes {classes}.",
            "two branches or more, each on a class of its own, all of one type",
        )
        priced, routes = set(self.policy.costs), set(self.routes)
        what = f"The policy has costs of {sorted(priced)}, the routes are {sorted(routes)}."
        self._require(priced == routes, what, "a cost for each route")
        for branch in self.branches:
            self._check_fallbacks(branch)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"cascade '{self.name}' v{self.version}"

    @property
    def classes(self) -> tuple[Class, ...]:
        """The router's classes, ascending."""
        classes: list[Any] = [branch.on for branch in self.branches if branch.on is not None]
        return tuple(sorted(classes))

    @property
    def routes(self) -> tuple[str, ...]:
        """The branch of each class, in the classes' order."""
        of = {branch.on: branch.name for branch in self.branches}
        return tuple(of[label] for label in self.classes)

    @property
    def fallbacks(self) -> dict[str, str]:
        """The branch that takes over, by the name of the one that fails."""
        return {branch.name: branch.fallback for branch in self.branches if branch.fallback is not None}

    @property
    def fingerprint(self) -> str:
        """sha256 of all that is declared, of branches and their cascades too."""
        branches = [[b.name, b.model.fingerprint, b.on, b.fallback] for b in self.branches]
        return digest([self.name, self.version, self.router.fingerprint, branches, self.policy.state()])

    def _check(self, branch: Branch) -> None:
        check_name(branch.name, kind="branch", where=self.where)
        what = f"Branch {branch.name!r} is a {type(branch.model).__name__}."
        self._require(isinstance(branch.model, (Cascade, BranchModel)), what, "something that can be fitted")

    def _check_fallbacks(self, branch: Branch) -> None:
        names = [b.name for b in self.branches]
        passed, name = [branch.name], branch.fallback
        while name is not None:
            hint = did_you_mean(name, names)
            self._require(name in names, f"Branch {passed[-1]!r} falls back to {name!r}, which is none.", hint)
            self._require(name not in passed, f"Fallbacks go in a circle: {[*passed, name]}.", "one that ends")
            passed.append(name)
            name = self.fallbacks.get(name)

    def _require(self, holds: object, what: str, want: str) -> None:
        if not holds:
            raise InvalidCascade(self.where, what=what, state="was not declared", next_step=f"declare {want}.")
