"""The step of the training that makes the group `movie_vectors`, and what scores films nobody has rated."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy import sparse

from feature_groups import movie_vectors, movies
from feature_groups.store import Receipt
from feature_groups.store.digest import digest
from models.block_weights import ChosenWeights, Fold, choose_weights
from models.catalogue import UNKNOWN
from models.cold_films import FilmEncoder
from models.cold_items_fit import cold_folds, fit_cold_items
from models.errors import NothingToFit
from models.film_encoder import film_vectors, films
from models.film_names import RATED, VECTORS
from models.film_rows import newest_version
from models.liked_pairs import liked_matrix
from models.model_steps import Stage
from models.transform import Transform
from models.transform_fit import fit

if TYPE_CHECKING:
    from models.film_training import FilmTraining

START = {"genre": 1.0, "year": 1.0, "title": 1.0}
UNVALIDATED = {"genre": 1.0, "year": 1.0, "title": 0.0}
"""Where too few films are rated to validate anything: what was measured to pay on MovieLens."""

JUDGES = 1000
"""Users to judge by: three times as many change no weight on MovieLens, and take three times as long."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilmVectors:
    """The vectors of one training's films.

    Attributes:
        training: Whose ratings say what is liked, and whose versions of groups are read.
    """

    training: FilmTraining

    def stage(self, rated: Mapping[str, Any]) -> Stage:
        """The step of the flow that fits the encoder and writes the vectors, in one commit or, where none is new, none.

        Args:
            rated: What the step `FilmRankings.rated` said.
        """
        pin = self.training.pin(movies.v1)
        inputs = dict(self.training.rankings.gate)
        inputs[RATED] = {"content": rated["content"]}
        inputs[movies.v1.id] = {"content": pin["fingerprint"], "version": pin["version"]}
        return Stage(VECTORS, (FilmVectors, films), {"start": dict(START), "judges": JUDGES}, inputs, self.write)

    def write(self) -> dict[str, Any]:
        """Encode and write; returns what came of it."""
        # Spark starts while they are encoded.
        self.training.store.writer.prepare()
        vectors, output = self.encoded()
        return {**output, "receipt": self._inserted(vectors).to_json()}

    def encoded(self) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Choose the blocks' weights on films kept from all that is fitted, and fit on those that were rated.

        Returns:
            Rows of the group `movie_vectors`, and what the step says of them.
        """
        rows = self.training.rows(movies.v1).sort("movie_id")
        events = self.training.data.events
        # The catalogue has the same films in the same order.
        warm = np.unique(events.columns[events.columns != UNKNOWN])
        liked = sparse.csr_array(liked_matrix(events, events.distinct_users)[:, warm].astype(np.float64))
        transform, chosen = _weighted(rows[warm], liked)
        fitted = fit(transform, rows[warm])
        cold = fit_cold_items(liked, fitted.apply(rows[warm]))
        reference = self.training.registry.put(FilmEncoder(fitted, cold, events.catalogue.items[warm]))
        weights = ", ".join(f"{name} {weight:g}" for name, weight in transform.weights.items())
        judged = f"AUC {chosen.score:.3f} for films that were kept" if chosen else "too few ratings to validate"
        return film_vectors(fitted, rows, reference.content), {
            "encoder": asdict(reference),
            "films": rows.height,
            "weights": transform.weights,
            "auc": chosen.score if chosen else None,
            "told": f"{rows.height:,} films; {weights}; {judged}",
        }

    def lost(self, output: Mapping[str, Any]) -> list[str]:
        """What of an output does not stand in the group any more."""
        if newest_version(self.training.store, movie_vectors.v1) is None:
            return ["its vectors are gone"]
        group = self.training.store.get_or_create_feature_group(movie_vectors.v1)
        stored: pl.LazyFrame = group.read(engine="polars")
        made = stored.filter(pl.col("encoder") == output["encoder"]["content"])
        there = made.select(pl.len()).collect().item()
        return [] if there == output["films"] else ["its vectors are gone or were made by another encoder since"]

    def _inserted(self, vectors: pl.DataFrame) -> Receipt:
        store = self.training.store
        encoder, before = vectors["encoder"][0], newest_version(store, movie_vectors.v1)
        key = f"film-vectors-{digest([encoder, vectors.height, before])}"
        receipt: Receipt = store.get_or_create_feature_group(movie_vectors.v1).insert(
            vectors, batch_key=key, reason=f"encoded by {encoder[:12]}"
        )
        return receipt


def _weighted(rated: pl.DataFrame, liked: sparse.csr_array) -> tuple[Transform, ChosenWeights | None]:
    """The transform with the weights that validation chose, and what it chose them by; None where nobody can tell."""
    try:
        folds = list(cold_folds(films, rated, liked, seeds=(0,), judges=JUDGES))
    except (NothingToFit, ValueError) as error:
        log.info("film vectors: weights are not validated: %s", (str(error).splitlines() or [""])[0])
        return films.weighted(UNVALIDATED), None
    # Without users who like several of the films kept there is nothing to judge by.
    told = [fold for fold in folds if math.isfinite(_judged(fold))]
    if len(told) < 2:
        return films.weighted(UNVALIDATED), None
    chosen = choose_weights(told, START)
    return films.weighted(chosen.weights), chosen


def _judged(fold: Fold) -> float:
    return fold.judge(fold.train.weighted(START), fold.validation.weighted(START))
