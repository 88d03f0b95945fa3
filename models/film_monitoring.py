"""Monitoring of the example's champion: what it was asked about and said, window by window, beside its training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

import polars as pl

from feature_groups import predictions, ratings
from feature_groups.store import FeatureStore
from feature_groups.store.deliveries import DeliveryRate, delivery_rate
from feature_groups.store.digest import digest
from feature_groups.store.errors import DatasetDamaged, NoSuchVersion, NothingWritten, TableDamaged
from feature_groups.store.errors import UnknownTrainingDataset as UnknownDataset
from feature_groups.store.point_in_time import Pin, pinned
from feature_groups.views import age_gate
from models.drift_classifier import Told, told_apart
from models.drift_findings import PREDICTIONS_RATE, Finding, judged
from models.drift_profile import DriftProfile
from models.errors import NotWatched
from models.film_names import NAME
from models.film_outcomes import WINDOW, FilmOutcomes
from models.film_profile import FEATURES, KNOWN, NEW
from models.film_release import OUT_OF_FOLD, PROFILE
from models.film_scoring import serving
from models.monitoring_health import Fresh
from models.monitoring_log import MonitoringLog
from models.monitoring_policy import MonitoringPolicy, Quality
from models.monitoring_windows import Span, Window, end_of, window_of
from models.out_of_fold import OutOfFold
from models.outcomes import quality
from models.registry import Registry
from models.release import Release

METRIC = "ndcg@10"
_GONE = (NoSuchVersion, NothingWritten, TableDamaged, DatasetDamaged, UnknownDataset)


@dataclass(frozen=True)
class Asking:
    """A window that is still to be judged.

    Attributes:
        start: Inclusive, UTC.
        end: Exclusive.
        rows: The newest prediction of every user whom the champion was asked about in it.
        content: Digest of these.
    """

    start: datetime
    end: datetime
    rows: pl.DataFrame
    content: str


@dataclass(frozen=True)
class FilmMonitoring:
    """The champion at an instant, and the windows before it.

    Attributes:
        store: The lake.
        release: The champion.
        at: The instant, aware; what is later is not looked at.
        span: How long windows are.
        policy: The limits.
        log: What was found before.
    """

    store: FeatureStore
    release: Release
    at: datetime
    span: Span
    policy: MonitoringPolicy
    log: MonitoringLog

    @classmethod
    def of(
        cls,
        store: FeatureStore,
        at: datetime | None = None,
        span: Span = "day",
        policy: MonitoringPolicy | None = None,
    ) -> Self:
        """The champion as it can be judged at an instant.

        Args:
            store: The lake.
            at: The instant, aware; by default just after the newest rating.
            span: How long windows are.
            policy: The limits.

        Raises:
            NothingServes: No release is champion.
            NotWatched: The champion was made before releases had a profile; or the instant has no time zone.
        """
        release = serving(store)
        where = f"release {release.id[:12]} of registry {NAME!r}"
        if PROFILE not in release.members:
            raise NotWatched(
                where,
                what="It has no profile of its training data: it was made before releases had one.",
                state="serves, and was not monitored",
                next_step="make run, which releases the same models with a profile.",
            )
        if at is not None and at.tzinfo is None:
            raise NotWatched(
                where,
                what=f"The instant {at.isoformat()} has no time zone.",
                state="was not monitored",
                next_step="give an aware instant, or none: then it is just after the newest rating.",
            )
        instant = (at or age_gate.now(store)).astimezone(UTC)
        return cls(
            store,
            release,
            instant,
            span,
            policy or MonitoringPolicy(),
            MonitoringLog(store.metadata, NAME, release.id, span),
        )

    def windows(self) -> Iterator[Asking]:
        """Windows that are to be judged, ascending: in which the champion has said something that was not looked at."""
        said = self._said.with_columns(window_of(pl.col("asked_at"), self.span).alias("start"))
        for (start,), rows in said.group_by("start", maintain_order=True):
            assert isinstance(start, datetime)
            newest = rows.unique("user_id", keep="last", maintain_order=True).drop("start")
            content = digest(newest["prediction_id"].to_list())
            before = self.log.get(start)
            if newest.height >= self.policy.least_rows and (before is None or before.content != content):
                yield Asking(start, end_of(start, self.span), newest, content)

    def judge(self, asking: Asking) -> Window:
        """What a window shows: scores and routes first, then features, then all features together."""
        known = pl.col("user_id").is_in(self._trained_on.entities.implode())
        findings: list[Finding] = []
        for part, whose in ((NEW, ~known), (KNOWN, known)):
            rows = asking.rows.filter(whose)
            if rows.height >= self.policy.least_rows:
                findings += judged(part, self._profile[part], rows, PREDICTIONS_RATE)
        notes, told = [], None
        try:
            seen = self.seen(asking.rows)
        except _GONE as error:
            notes.append(f"features were not looked at: {error.where}: {error.what}")
        else:
            findings += judged(FEATURES, self._profile[FEATURES], seen)
            told, why = self._told(seen)
            notes += why
        return Window(asking.start, asking.end, asking.rows.height, asking.content, tuple(findings), told, tuple(notes))

    def seen(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The features that predictions were made from, read again at the versions that the log names.

        Args:
            rows: Of the group `predictions`.

        Raises:
            NoSuchVersion, NothingWritten, TableDamaged: A version cannot be read any more.
        """
        view = self.store.get_or_create_feature_view(age_gate.v1)
        found = []
        for (versions,), part in rows.group_by("features", maintain_order=True):
            read = {group: int(version) for group, (_, version) in json.loads(str(versions)).items()}
            spine = part.select("user_id", "asked_at")
            made: pl.LazyFrame = view.get_batch_data(spine, as_of=read, engine="polars")
            found.append(made.collect())
        return pl.concat(found)

    def quality(self) -> Quality | None:
        """How good the champion's predictions of the last 90 days were; None where nothing is known of any yet."""
        found = FilmOutcomes.of(self.store, self.at).outcomes().filter(release=self.release.id)
        told = quality(found)
        if told.is_empty() or told["ndcg"][0] is None:
            return None
        row = told.row(0, named=True)
        users = found.filter(pl.col("ndcg").is_not_null())["user_id"].n_unique()
        floor = self.policy.floor
        if floor is None:
            floor = self.policy.floor_share * self.release.metrics.get(METRIC, 0.0)
        return Quality(
            METRIC,
            self.at - WINDOW,
            self.at,
            row["ndcg"],
            row["low"],
            row["high"],
            row["judged"],
            users,
            floor,
            users >= self.policy.least_users,
        )

    def fresh(self) -> list[Fresh]:
        """How old the newest event is of every source of events that the champion reads."""
        rated: pl.LazyFrame = self.store.get_or_create_feature_group(ratings.v1).read(engine="polars")
        newest = rated.filter(pl.col("rated_at") <= self.at).select(pl.col("rated_at").max()).collect().item()
        return [Fresh(ratings.v1.id, newest, self.at, self.policy.stale_after)]

    def deliveries(self) -> list[DeliveryRate]:
        """What became of the newest deliveries of every group that a champion depends on."""
        groups = sorted({used.group for used in self.release.groups})
        return [rate for group in groups if (rate := delivery_rate(self.store.metadata, group)).deliveries]

    @cached_property
    def _said(self) -> pl.DataFrame:
        """What the champion said until now, by instant."""
        try:
            pin: Pin = pinned(self.store, [predictions.v1], None)[predictions.v1.id]
        except NothingWritten:
            return pl.DataFrame(schema={"asked_at": pl.Datetime("us", "UTC")})
        rows: pl.LazyFrame = self.store.get_or_create_feature_group(predictions.v1).read(pin.version, engine="polars")
        own = rows.filter(pl.col("release") == self.release.id, pl.col("asked_at") <= self.at)
        kept = "prediction_id", "asked_at", "user_id", "route", "score", "features"
        return own.select(kept).sort("asked_at", "user_id").collect()

    @cached_property
    def _profile(self) -> DriftProfile:
        found: DriftProfile = self._member(PROFILE, DriftProfile)
        return found

    @cached_property
    def _trained_on(self) -> OutOfFold:
        found: OutOfFold = self._member(OUT_OF_FOLD, OutOfFold)
        return found

    def _member(self, role: str, kind: type[Any]) -> Any:
        return Registry(self.store, NAME).restore(self.release.members[role], [kind], role)

    def _told(self, seen: pl.DataFrame) -> tuple[Told | None, list[str]]:
        """The domain classifier needs rows of training: those of the pinned dataset, where it is still there."""
        try:
            training = self._training
        except _GONE as error:
            return None, [f"the domain classifier was not asked: {error.where}: {error.what}"]
        return told_apart(self._profile[FEATURES], training, seen, "user_id"), []

    @cached_property
    def _training(self) -> pl.DataFrame:
        used = next(dataset for dataset in self.release.datasets if dataset.view == age_gate.v1.id)
        dataset = self.store.get_or_create_feature_view(age_gate.v1).get_training_dataset(used.number)
        return pl.concat([dataset.frame(part) for part in dataset.parts])
