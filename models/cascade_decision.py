"""A fitted cascade decides: exactly one route per request, with its score, the reason, and the branch's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.artefact import pack
from models.attempts import Positions, attempted
from models.cascade import Answering
from models.errors import CascadeFailed, InvalidCascade, MixedLineage
from models.parts import Member, Parts
from models.probability_model import Class, FittedProbabilityModel
from models.threshold import FALLBACK, RoutingPolicy

Texts = NDArray[np.object_]

ROUTER, ROUTING = "router", "routing"
"""The roles of a cascade's own members."""

_PATH = pl.List(pl.Struct({"cascade": pl.String(), "route": pl.String(), "score": pl.Float64(), "reason": pl.String()}))
SCHEMA = {"route": pl.String(), "score": pl.Float64(), "reason": pl.String(), "path": _PATH}


@dataclass(frozen=True)
class Routing:
    """What a cascade decides by, beside its router and branches; a member of a release.

    Attributes:
        name: Of the cascade.
        version: Of the cascade.
        declared: The declaration's fingerprint.
        classes: The router's, ascending.
        routes: The branch of each class.
        branches: All branches by name, those that only take over too; whether each is a cascade.
        fallbacks: The branch that takes over, by the name of the one that fails.
        policy: Which route a probability takes.
    """

    kind: ClassVar[str] = "routing"

    name: str
    version: int
    declared: str
    classes: tuple[Class, ...]
    routes: tuple[str, ...]
    branches: Mapping[str, bool]
    fallbacks: Mapping[str, str]
    policy: RoutingPolicy

    def parts(self) -> Parts:
        """All of it."""
        plain: Any = {**vars(self), "classes": list(self.classes), "routes": list(self.routes)}
        # Names in their order: they say which branch is asked first.
        branches: Any = [[name, cascade] for name, cascade in self.branches.items()]
        return Parts({**plain, "branches": branches, "policy": self.policy.state()})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """The routing of these parts."""
        state = cast("dict[str, Any]", dict(parts.state))
        lists = {"classes": tuple(state["classes"]), "routes": tuple(state["routes"])}
        policy = RoutingPolicy.of(state["policy"])
        return cls(**{**state, **lists, "branches": dict(state["branches"]), "policy": policy})


@dataclass(frozen=True)
class FittedCascade:
    """A router, branches, and what is decided by.

    Attributes:
        routing: Routes, fallbacks, policy.
        router: Fitted.
        branches: Fitted, by name.
    """

    routing: Routing
    router: FittedProbabilityModel
    branches: Mapping[str, Answering | FittedCascade]

    def decide(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One route per row, in their order; what a row gets does not depend on the others.

        Args:
            rows: What router and branches take.

        Returns:
            ``route`` (of a cascade within the cascade as ``outer/inner``), ``score`` (the router's probability of the
            second of two classes, with more of the route taken; NULL where the router failed), ``reason`` (``score``,
            ``band``, or ``fallback`` where a member failed), ``path`` (the same per cascade, the outermost first), and
            ``answer`` of the branch.

        Raises:
            CascadeFailed: A branch, and all that stand in for it, fail on a row; or branches answer in different types.
        """
        if rows.is_empty():
            return pl.DataFrame(schema={**SCHEMA, "answer": pl.Null()})
        made = self._routed(rows)
        found: list[Piece] = []
        sent = {name: np.flatnonzero(made.route == name) for name in self.routing.branches}
        for name, positions in sent.items():
            if len(positions):
                found += self._answered(name, rows, positions, made)
        order = np.argsort(np.concatenate([piece.where for piece in found]))
        types = sorted({str(piece.answers.dtype) for piece in found})
        if len(types) > 1:
            raise self._failed(f"Branches answer in different types: {', '.join(types)}.")
        answers = pl.concat([piece.answers for piece in found]) if len(found) > 1 else found[0].answers
        paths = [path for piece in found for path in piece.paths]
        paths = [paths[place] for place in order]
        columns = {
            "route": ["/".join(step["route"] for step in path) for path in paths],
            "score": [path[0]["score"] for path in paths],
            "reason": [path[0]["reason"] for path in paths],
            "path": paths,
            "answer": answers.gather(order) if len(found) > 1 else answers,
        }
        return pl.DataFrame(columns, schema_overrides=SCHEMA)

    def routes(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The router's part of `decide`: ``route``, ``score`` and ``reason``; no branch is asked."""
        return self._routed(rows).frame

    def members(self, role: str = "") -> dict[str, Member]:
        """Everything to release, by role; those of a cascade within are called ``<branch>/<role>``."""
        found: dict[str, Member] = {f"{role}{ROUTER}": self.router, f"{role}{ROUTING}": self.routing}
        for name, branch in self.branches.items():
            inner = branch.members(f"{role}{name}/") if isinstance(branch, FittedCascade) else {f"{role}{name}": branch}
            found |= inner
        return found

    def trained_on(self) -> dict[str, dict[str, str]]:
        """Per role, content hashes of the members on whose predictions it was trained, by their role: for a release."""
        members = self.members().items()
        return {role: dict(up) for role, member in members if (up := getattr(member, "trained_on", None))}

    @classmethod
    def of_members(cls, members: Mapping[str, Any], role: str = "") -> Self:
        """The cascade of the members that `members` gave.

        Raises:
            InvalidCascade: A member is missing.
            MixedLineage: A branch was trained on the predictions of another router than the one here.
        """
        missing = [name for name in (f"{role}{ROUTER}", f"{role}{ROUTING}") if name not in members]
        routing: Routing | None = members.get(f"{role}{ROUTING}")
        for name, cascade in routing.branches.items() if routing else ():
            missing += [f"{role}{name}"] if not cascade and f"{role}{name}" not in members else []
        if missing or routing is None:
            raise InvalidCascade(
                f"cascade {role or 'of a release'}",
                what=f"It lacks the members {', '.join(missing)}.",
                state="was not put together",
                next_step="give all members of one release.",
            )
        branches = {
            name: cls.of_members(members, f"{role}{name}/") if cascade else members[f"{role}{name}"]
            for name, cascade in routing.branches.items()
        }
        made = cls(routing, members[f"{role}{ROUTER}"], branches)
        if not role:
            made._check_lineage()
        return made

    def _check_lineage(self) -> None:
        members = self.members()
        here: dict[str, str] = {}
        for role, upstream in self.trained_on().items():
            for name, content in upstream.items():
                here.setdefault(name, pack(members[name]).content if name in members else "")
                if here[name] != content:
                    raise MixedLineage(
                        self._where,
                        what=f"{role!r} was trained on the out-of-fold predictions of the {name!r} {content[:12]}, "
                        f"here is the {name!r} {here[name][:12] or 'missing'}.",
                        state="was not put together",
                        next_step=f"train {role!r} again on the predictions of this {name!r}.",
                    )

    def _routed(self, rows: pl.DataFrame) -> Routed:
        made = Routed.failed(rows.height, self.routing.policy.safe_route)
        for where, said in attempted(self.router.probabilities, rows, f"router of {self._where}"):
            if said is not None:
                probabilities = np.asarray(said)
                made.route[where], made.reason[where] = self.routing.policy.chosen(probabilities, self.routing.routes)
                made.score[where] = probabilities[np.arange(len(where)), self._shown(made.route[where])]
        return made

    def _shown(self, routes: Texts) -> NDArray[np.int64]:
        """Of which route the score is the probability."""
        names = self.routing.routes
        return np.array([1 if len(names) == 2 else names.index(name) for name in routes], dtype=np.int64)

    def _answered(self, name: str, rows: pl.DataFrame, positions: Positions, made: Routed) -> list[Piece]:
        """Answers of a branch to rows sent to it, of its fallback where it fails."""
        branch, found, failed = self.branches[name], [], []
        asked: Any = branch.decide if isinstance(branch, FittedCascade) else branch.answers
        own = rows if len(positions) == rows.height else rows[positions]
        for where, said in attempted(asked, own, f"branch {name!r} of {self._where}"):
            if said is None:
                failed.append(positions[where])
            else:
                found.append(self._piece(name, positions[where], made, said))
        if not failed:
            return found
        fallback, where = self.routing.fallbacks.get(name), np.concatenate(failed)
        if fallback is None:
            what = f"Branch {name!r} fails on {len(where):,} rows, e.g. {where[0]:,}; nothing stands in for it."
            raise self._failed(what)
        made.reason[where] = FALLBACK
        return found + self._answered(fallback, rows, where, made)

    def _piece(self, name: str, where: Positions, made: Routed, said: Any) -> Piece:
        step = {"cascade": self.routing.name, "route": name}
        own = zip(made.score[where].tolist(), made.reason[where].tolist(), strict=True)
        path = [[{**step, "score": None if isnan(score) else score, "reason": why}] for score, why in own]
        if not isinstance(said, pl.DataFrame):
            return Piece(where, path, pl.Series(said))
        rest = said["path"].to_list()
        return Piece(where, [[*first, *more] for first, more in zip(path, rest, strict=True)], said["answer"])

    @property
    def _where(self) -> str:
        return f"cascade '{self.routing.name}' v{self.routing.version}"

    def _failed(self, what: str) -> CascadeFailed:
        return CascadeFailed(
            self._where,
            what=what,
            state="did not decide",
            next_step="the log says why members failed; declare a fallback that takes every row.",
        )


class Piece(NamedTuple):
    """Rows that one branch answered: their positions, the way each took, the answers."""

    where: Positions
    paths: list[list[dict[str, Any]]]
    answers: pl.Series


@dataclass(frozen=True, eq=False)
class Routed:
    """Where each of n rows goes, and why."""

    route: Texts
    score: NDArray[np.float64]
    reason: Texts

    @classmethod
    def failed(cls, rows: int, safe_route: str) -> Self:
        """What holds for rows of which the router says nothing."""
        texts = (np.full(rows, text, dtype=object) for text in (safe_route, FALLBACK))
        return cls(next(texts), np.full(rows, np.nan), next(texts))

    @property
    def frame(self) -> pl.DataFrame:
        """The three as columns; a score that there is not is NULL."""
        score = pl.Series(self.score, dtype=pl.Float64).fill_nan(None)
        columns = {"route": self.route.tolist(), "score": score, "reason": self.reason.tolist()}
        return pl.DataFrame(columns, schema={name: SCHEMA[name] for name in columns})
