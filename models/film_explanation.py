"""Why somebody was recommended what: the route with its score, the features, and "because you rated ..."."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feature_groups import movies
from feature_groups.store import FeatureStore
from feature_groups.store.html_table import html_facts, html_table
from feature_groups.views import age_gate
from models.cascade_decision import FittedCascade
from models.film_predictions import Again, Prediction
from models.linear_ranker import LinearRanker
from models.ranking_branch import RankingBranch
from models.threshold import BAND, SCORE

REASONS = 3
"""How many films of the history are named for each film recommended."""


@dataclass(frozen=True)
class Reason:
    """A film of the history that speaks for a recommended one.

    Attributes:
        movie_id: Of the film that the user rated.
        title: Of it.
        contribution: What it adds to the score of the recommended film; above 0.
    """

    movie_id: int
    title: str
    contribution: float


@dataclass(frozen=True)
class Recommended:
    """A recommended film.

    Attributes:
        movie_id: Of the film.
        title: Of it.
        score: Of the ranker: the sum of all contributions; None where only popularity spoke.
        because: The films of the history that say most for it, strongest first.
    """

    movie_id: int
    title: str
    score: float | None
    because: tuple[Reason, ...]


@dataclass(frozen=True, repr=False)
class Explanation:
    """Why a prediction is what it is.

    Attributes:
        prediction: As it was logged.
        reproduced: Whether it could be made again just so, in a sentence.
        routed: Why this route, in a sentence.
        features: What the view said of the user at the instant, by name.
        films: Those recommended, best first.
    """

    prediction: Prediction
    reproduced: str
    routed: str
    features: Mapping[str, Any]
    films: tuple[Recommended, ...]

    def __repr__(self) -> str:
        facts = [f"{name:<10}  {value}" for name, value in self._facts()]
        films = [f"  {place:>2}  {film.title}: {_because(film)}" for place, film in enumerate(self.films, 1)]
        known = [f"  {name} {value}" for name, value in self._known()]
        return "\n".join([*facts, "films", *films, "features", *known])

    def _repr_html_(self) -> str:
        films = [(str(place), film.title, _because(film)) for place, film in enumerate(self.films, 1)]
        facts, known = html_facts(self._facts()), html_table(("feature", "value"), self._known())
        return (
            f"<h4>{html.escape(self.prediction.where)}</h4>{facts}{html_table(('', 'film', 'because'), films)}"
            f"<details><summary>features</summary>{known}</details>"
        )

    def _facts(self) -> list[tuple[str, str]]:
        was = self.prediction
        read = [f"{group} at {version}" for group, (_, version) in sorted(was.versions.items())]
        return [
            ("prediction", f"{was.id[:12]} {self.reproduced}"),
            ("asked", f"user {was.user_id} at {was.asked_at:%Y-%m-%d %H:%M:%S.%f} UTC"),
            ("release", was.release[:12]),
            ("route", f"{was.route}: {self.routed}"),
            ("read", ", ".join(read)),
        ]

    def _known(self) -> list[tuple[str, str]]:
        return [(name, _shown(value)) for name, value in self.features.items()]


def explain(store: FeatureStore, prediction_id: str) -> Explanation:
    """Why a logged prediction is what it is: made again from its lineage, and taken apart; raises as `reproduce`."""
    again = Again.of(store, prediction_id)
    found, said = again.compared(), again.prediction
    titles = _titles(store, said.versions[movies.v1.id][1])
    row = again.row.row(0, named=True)
    return Explanation(
        prediction=said,
        reproduced=found.said,
        routed=_routed(said, again.model.cascade),
        features={name: row[name] for name in age_gate.v1.feature_names},
        films=tuple(_recommended(again, titles)),
    )


def _routed(said: Prediction, cascade: FittedCascade) -> str:
    policy, routes = cascade.routing.policy, cascade.routing.routes
    if said.score is None:
        return f"the router could not say, so the safe route {policy.safe_route!r} was taken"
    border, second = policy.threshold(routes), routes[1]
    compared = f"score {said.score:.4f}, {second!r} from {border:.4g} on"
    if said.reason == SCORE:
        return compared
    if said.reason == BAND:
        return f"{compared}; within {policy.band:.4g} of it the safe route {policy.safe_route!r} is taken"
    return f"{compared}; the branch that was asked first failed, and this one stood in"


def _recommended(again: Again, titles: Mapping[int, str]) -> list[Recommended]:
    said, branch = again.prediction, again.model.cascade.branches[again.prediction.route]
    linear = branch.ranker if isinstance(branch, RankingBranch) else None
    if not isinstance(branch, RankingBranch) or not isinstance(linear, LinearRanker):
        return [Recommended(film, _title(titles, film), None, ()) for film in said.movies]
    history = branch.history(again.row)
    rated = linear.catalogue.items[history.columns].tolist()
    films = []
    for film, column in zip(said.movies, linear.catalogue.columns(said.movies).tolist(), strict=True):
        each = linear.contributions(history, column)
        strongest = [place for place in np.argsort(-each, kind="stable")[:REASONS].tolist() if each[place] > 0]
        because = tuple(Reason(rated[p], _title(titles, rated[p]), float(each[p])) for p in strongest)
        films.append(Recommended(film, _title(titles, film), float(each.sum()) if len(each) else None, because))
    return films


def _titles(store: FeatureStore, version: int) -> dict[int, str]:
    rows: pl.LazyFrame = store.get_or_create_feature_group(movies.v1).read(version, engine="polars")
    known = rows.select("movie_id", pl.format("{} ({})", "title", "year")).collect()
    return dict(known.iter_rows())


def _title(titles: Mapping[int, str], film: int) -> str:
    return titles.get(film, f"film {film}")


def _because(film: Recommended) -> str:
    if film.score is None:
        return "popular with everybody"
    if not film.because:
        return f"score {film.score:.3f}, no film that you rated speaks for it"
    named = ", ".join(f"{reason.title} (+{reason.contribution:.3f})" for reason in film.because)
    return f"score {film.score:.3f}, because you rated {named}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        more = ", ..." if len(value) > REASONS else ""
        return f"{len(value)}: {', '.join(map(_shown, value[:REASONS]))}{more}"
    return "not known" if value is None else str(value)
