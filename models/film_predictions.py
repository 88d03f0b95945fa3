"""Logged predictions, and each made again from its lineage: the same release, asked of the same versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import polars as pl

from feature_groups import predictions
from feature_groups.store import FeatureStore
from feature_groups.store.errors import NoSuchVersion, NothingWritten, TableDamaged
from feature_groups.store.html_table import html_facts
from feature_groups.views import age_gate
from models.errors import LineageGone, PredictionDiffers, UnknownPrediction
from models.film_names import NAME
from models.film_release import FilmModel, load_films
from models.film_rows import asked_about, film_rows
from models.golden import TOLERANCE
from models.prediction_log import made_here
from models.registry import Registry


@dataclass(frozen=True)
class Prediction:
    """One row of the log.

    Attributes:
        id: sha256 of release, user and instant.
        asked_at: The instant, UTC.
        user_id: Of the user.
        release: Id of the release.
        route: The branch that answered.
        score: Probability of being under 18; None where the router could not say.
        reason: Why this route.
        movies: Films recommended, best first.
        versions: Table id and version by feature group: what features and history were read at.
        made_with: Lock and CPU family.
    """

    id: str
    asked_at: datetime
    user_id: int
    release: str
    route: str
    score: float | None
    reason: str
    movies: tuple[int, ...]
    versions: Mapping[str, tuple[str, int]]
    made_with: Mapping[str, str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The prediction of a row of the group `predictions`."""
        plain = {name: row[name] for name in ("asked_at", "user_id", "release", "route", "score", "reason")}
        versions = {
            group: (str(table), int(version)) for group, (table, version) in json.loads(row["features"]).items()
        }
        made_with = json.loads(row["made_with"])
        return cls(row["prediction_id"], **plain, movies=tuple(row["movies"]), versions=versions, made_with=made_with)

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"prediction {self.id[:12]}"


@dataclass(frozen=True, repr=False)
class Reproduced:
    """A prediction that was made again, and is what it was.

    Attributes:
        prediction: As it was logged.
        score: As it is now.
        equal: Whether it is the same to the last bit; else the score is within `TOLERANCE`.
        said: The outcome in one sentence.
    """

    prediction: Prediction
    score: float | None
    equal: bool
    said: str

    def __repr__(self) -> str:
        return "\n".join(f"{name:<8}  {value}" for name, value in self._facts())

    def _repr_html_(self) -> str:
        return html_facts(self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        was = self.prediction
        return [
            (was.where, self.said),
            ("release", was.release[:12]),
            ("asked", f"user {was.user_id} at {was.asked_at:%Y-%m-%d %H:%M:%S.%f} UTC"),
            ("route", f"{was.route} ({was.reason}), score {was.score} then, {self.score} now"),
            ("films", ", ".join(map(str, was.movies))),
            ("read", ", ".join(f"{group} at {version}" for group, (_, version) in sorted(was.versions.items()))),
        ]


@dataclass(frozen=True, eq=False)
class Again:
    """What a prediction was made from, read again, and what is decided on it now.

    Attributes:
        prediction: As it was logged.
        model: Its release, in memory.
        row: The one row that the cascade was asked about.
        decided: What the cascade says of it now, one row.
    """

    prediction: Prediction
    model: FilmModel
    row: pl.DataFrame
    decided: pl.DataFrame

    @classmethod
    def of(cls, store: FeatureStore, prediction_id: str) -> Self:
        """Read the lineage of a logged prediction, and ask again; raises as `reproduce`."""
        prediction = logged(store, prediction_id)
        row = _rows(store, prediction)
        registry = Registry(store, NAME)
        model = load_films(registry, registry.get(prediction.release)).model
        return cls(prediction, model, row, model.decide(row))

    def compared(self) -> Reproduced:
        """Whether it is what it was.

        Raises:
            PredictionDiffers: It is not.
        """
        was = self.prediction
        route, score, reason = self.decided.row(0)[:3]
        same = (route, reason, tuple(self.decided["answer"][0])) == (was.route, was.reason, was.movies)
        # The text of a float is all of its bits.
        if same and repr(score) == repr(was.score):
            return Reproduced(was, score, True, "is made again bit for bit")
        here = json.loads(made_here())
        moved = " and ".join(sorted(name for name in here if here[name] != was.made_with.get(name)))
        under = f"under another {moved}" if moved else "under the same lock and CPU family"
        close = score is not None and was.score is not None and abs(score - was.score) <= TOLERANCE
        if same and close and moved:
            return Reproduced(was, score, False, f"is made again {under}, its score within {TOLERANCE:g}")
        raise PredictionDiffers(
            was.where,
            what=f"Made again {under}, it is {route} ({reason}), score {score}, films "
            f"{self.decided['answer'][0].to_list()}; it was {was.route} ({was.reason}), score {was.score}, films "
            f"{list(was.movies)}.",
            state="stands in the log as it was",
            next_step="make it again with the code and the lock that its release was made with, see "
            "registry.get(release).",
        )


def reproduce(store: FeatureStore, prediction_id: str) -> Reproduced:
    """Make a logged prediction again from its lineage, and compare.

    The release comes from the registry, the features from the versions that the log names.

    Raises:
        UnknownPrediction: The log has none of that id.
        LineageGone: A version that it was made from cannot be read any more.
        UnknownRelease, MemberMissing, ArtefactDamaged, LibraryDiffers, GoldenDiffers: Its release cannot answer here.
        PredictionDiffers: It is another one: not the same bits under the same lock and CPU family, elsewhere another
            route or films, or a score more than 1e-6 away.
    """
    return Again.of(store, prediction_id).compared()


def logged(store: FeatureStore, prediction_id: str) -> Prediction:
    """A prediction as the newest version of the log has it.

    Raises:
        UnknownPrediction: There is none of that id.
    """
    stored, rows = store.get_or_create_feature_group(predictions.v1), 0
    try:
        log: pl.LazyFrame = stored.read(engine="polars")
        found = log.filter(pl.col("prediction_id") == prediction_id).collect()
        if found.height:
            # Its instant is in its id: there is one row of an id.
            return Prediction.of(found.row(0, named=True))
        rows = log.select(pl.len()).collect().item()
    except NothingWritten:
        pass  # no log is a log without predictions
    raise UnknownPrediction(
        predictions.v1.where,
        what=f"None of its {rows:,} predictions is {prediction_id!r}." if rows else "Nothing was predicted yet.",
        state="is as it was",
        next_step="take a prediction_id of fs.get_or_create_feature_group(predictions.v1).read(), or name the "
        "question: prediction_id(release, user_id, asked_at)."
        if rows
        else "score first: make run, or flows.scoring.",
    )


def releases_used(store: FeatureStore) -> list[str]:
    """Ids of the releases that made what is in the log, sorted: ``registry.collect(pinned=releases_used(store))``."""
    try:
        log: pl.LazyFrame = store.get_or_create_feature_group(predictions.v1).read(engine="polars")
    except NothingWritten:
        return []
    return log.select(pl.col("release").unique().sort()).collect()["release"].to_list()


def _rows(store: FeatureStore, prediction: Prediction) -> pl.DataFrame:
    """The one row that the cascade was asked about, of the versions that it was read at.

    Raises:
        LineageGone: One of them cannot be read any more.
    """
    versions = {group: version for group, (_, version) in prediction.versions.items()}
    try:
        pins = store.get_or_create_feature_view(age_gate.v1).served_versions(versions)
        for group, (table, version) in sorted(prediction.versions.items()):
            if group in pins and pins[group].table_id != table:
                raise _gone(prediction, f"The table of {group} was made anew; version {version} was of the one before.")
        return film_rows(store, asked_about(pl.Series([prediction.user_id]), prediction.asked_at), versions)
    except (NoSuchVersion, NothingWritten, TableDamaged) as error:
        raise _gone(prediction, f"{error.where}: {error.what}") from error


def _gone(prediction: Prediction, what: str) -> LineageGone:
    return LineageGone(
        prediction.where,
        what=what,
        state="stands in the log, but cannot be made again",
        next_step="restore that table's folder from a copy; a vacuum with a longer retain= keeps versions longer.",
    )
