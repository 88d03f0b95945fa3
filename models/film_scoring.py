"""Batch scoring: the films that the champion recommends to every user at an instant, as rows of `predictions`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import polars as pl

from feature_groups import predictions, ratings
from feature_groups.store import FeatureStore, Receipt
from feature_groups.store.digest import digest
from feature_groups.views import age_gate
from models.errors import CannotBeAsked, NothingServes
from models.film_names import NAME
from models.film_release import load_films
from models.film_rows import asked_about, film_rows, groups_read, newest_version
from models.model_steps import Stage
from models.prediction_log import made_here, prediction_id, versions_text
from models.registry import Registry
from models.release import GroupUsed, Release


@dataclass(frozen=True)
class FilmScoring:
    """One batch: by which release, when, of whom, from which versions.

    Attributes:
        store: The lake.
        release: That answers.
        asked_at: The instant, aware.
        groups: Versions that features and histories are read at.
        before: Version of the group `predictions` that this batch is written onto; None before the first.
        users: Who is asked about, ascending; None for everybody who had rated by then.
    """

    store: FeatureStore
    release: Release
    asked_at: datetime
    groups: tuple[GroupUsed, ...]
    before: int | None
    users: tuple[int, ...] | None = None

    @classmethod
    def of(cls, store: FeatureStore, at: datetime | None = None, users: Iterable[int] | None = None) -> Self:
        """The champion asked at an instant, with everything pinned.

        Args:
            store: The lake.
            at: The instant, aware; by default just after the newest rating.
            users: Whom to ask about, also such as never rated; by default everybody who had rated by then.

        Raises:
            NothingServes: No release is champion.
            CannotBeAsked: The instant has no time zone, or nobody is asked about.
            WrongView: The champion was trained on the view as it was before its contract changed.
            NothingWritten: A feature group has no rows yet.
        """
        release = serving(store)
        release.require_view(age_gate.v1.id, store.get_or_create_feature_view(age_gate.v1).contract)
        asked_at = _instant(at) if at is not None else age_gate.now(store)
        chosen = None if users is None else tuple(sorted(set(users)))
        made = cls(store, release, asked_at, groups_read(store), newest_version(store, predictions.v1), chosen)
        if made.spine.is_empty():
            raise _cannot("Nobody had rated by then." if users is None else "The users given are none.", asked_at)
        return made

    @property
    def batch_key(self) -> str:
        """The same for the same question, asked of the same versions, put onto the same log."""
        used = [[one.group, one.table_id, one.version] for one in self.groups]
        return f"scoring-{digest({**self._asked, 'release': self.release.id, 'groups': used, 'before': self.before})}"

    @property
    def spine(self) -> pl.DataFrame:
        """Who is asked about, by user; columns user_id and asked_at."""
        if self.users is not None:
            return asked_about(pl.Series(self.users, dtype=pl.Int64), self.asked_at)
        return age_gate.asked(self.store, self.asked_at, self._versions[ratings.v1.id])

    def stage(self) -> Stage:
        """The step of the flow that writes it; not needed again while what it depends on is what it was."""
        inputs: dict[str, dict[str, Any]] = {
            used.group: {"content": used.fingerprint, "version": used.version} for used in self.groups
        }
        inputs["release"] = {"content": self.release.id}
        parameters: dict[str, Any] = {**self._asked, "length": predictions.LENGTH}
        return Stage("predictions", (FilmScoring, film_rows), parameters, inputs, self.write)

    def predictions(self) -> pl.DataFrame:
        """Rows of the group `predictions`, one per user, by user.

        Raises:
            MemberMissing, ArtefactDamaged, GoldenDiffers: The release cannot answer here, see `load`.
        """
        model = load_films(Registry(self.store, NAME), self.release).model
        spine = self.spine
        rows = film_rows(self.store, spine, self._versions)
        decided = model.decide(rows)
        ids = [prediction_id(self.release.id, user, self.asked_at) for user in spine["user_id"]]
        return spine.select(
            pl.Series("prediction_id", ids, dtype=pl.String),
            "asked_at",
            "user_id",
            pl.lit(self.release.id).alias("release"),
            decided["route"],
            decided["score"],
            decided["reason"],
            decided["answer"].list.head(predictions.LENGTH).alias("movies"),
            pl.lit(versions_text(self.groups)).alias("features"),
            pl.lit(made_here()).alias("made_with"),
        )

    def write(self) -> dict[str, Any]:
        """Predict and write, in one commit, or in none where all of it is there; returns what came of it."""
        # Spark starts while they are made.
        self.store.writer.prepare()
        made = self.predictions()
        stored = self.store.get_or_create_feature_group(predictions.v1)
        reason = f"scored by {self.release.id[:12]} at {self.asked_at:%Y-%m-%d %H:%M:%S} UTC"
        receipt: Receipt = stored.insert(made, batch_key=self.batch_key, reason=reason)
        routes = made.group_by("route").agg(pl.len().alias("users"), pl.col("score").mean()).sort("route")
        return {
            "release": self.release.id,
            "asked_at": self.asked_at.isoformat(),
            "users": made.height,
            "routes": routes.to_dicts(),
            "reasons": dict(made.group_by("reason").len().sort("reason").iter_rows()),
            "score": made["score"].mean(),
            "features": versions_text(self.groups),
            "receipt": receipt.to_json(),
        }

    def lost(self, output: Mapping[str, Any]) -> list[str]:
        """What of an output does not stand in the log any more."""
        if self.before is None:
            return ["its predictions are gone"]
        stored = self.store.get_or_create_feature_group(predictions.v1)
        rows: pl.LazyFrame = stored.read(self.before, engine="polars")
        same = (pl.col("release") == output["release"]) & (pl.col("features") == output["features"])
        found = rows.filter(same).join(self.spine.lazy(), on=["user_id", "asked_at"], how="semi")
        there = found.select(pl.len()).collect().item()
        return [] if there == output["users"] else ["its predictions are gone or were made from other versions since"]

    @property
    def _asked(self) -> dict[str, Any]:
        return {"asked_at": self.asked_at.timestamp(), "users": list(self.users) if self.users is not None else None}

    @property
    def _versions(self) -> dict[str, int]:
        return {used.group: used.version for used in self.groups}


def serving(store: FeatureStore) -> Release:
    """The champion.

    Raises:
        NothingServes: There is none.
    """
    registry = Registry(store, NAME)
    champion = registry.champion()
    if champion is None:
        made = len(registry.releases())
        refused = f"none of its {made} releases passed every gate" if made else "it has no release yet"
        raise NothingServes(
            registry.where,
            what=f"No release is champion: {refused}.",
            state="was not asked; nobody was scored",
            next_step="train one with make run (or flows.training), or promote a blessed one: registry.promote(id).",
        )
    return champion


def _instant(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise _cannot("The instant has no time zone.", at)
    return at.astimezone(UTC)


def _cannot(what: str, at: datetime) -> CannotBeAsked:
    return CannotBeAsked(
        f"scoring at {at.isoformat()}",
        what=what,
        state="did nothing",
        next_step="give an aware instant after the first rating, or name users; without either it is now.",
    )
