from __future__ import annotations

import polars as pl
import pytest

from example import batch
from feature_groups import movie_vectors
from feature_groups.store import FeatureStore
from feature_groups.store.errors import ContractViolated

SHA = "0123456789abcdef" * 4


def vectors(*values: list[float] | None, encoder: str = SHA) -> pl.DataFrame:
    rows = {"movie_id": range(1, len(values) + 1), "vector": values, "encoder": [encoder] * len(values)}
    return pl.DataFrame(rows, schema={"movie_id": pl.Int64, "vector": pl.List(pl.Float32), "encoder": pl.String})


def test_vectors_of_finite_numbers_are_taken_as_they_are(light_store: FeatureStore) -> None:
    given = vectors([0.1, -0.2], [0.0, -1e-30], [-3.0, 0.0])

    taken = batch(movie_vectors.v1, given, light_store)

    assert (taken.received, taken.rejected_count, taken.statistics.rows) == (3, 0, 3)


REFUSED: dict[str, tuple[pl.DataFrame, str]] = {
    "no vector": (vectors(None), "vector not null"),
    "an empty one": (vectors([]), "vector str_length"),
    "one that points nowhere": (vectors([0.0, -0.0]), "a_vector_points_somewhere"),
    "one that is not finite": (vectors([1.0, float("nan")]), "vector finite"),
    "one that is infinite": (vectors([1.0, float("inf")]), "vector finite"),
    "an encoder by another name": (vectors([1.0], encoder="clip"), "encoder str_matches"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_vector_is_refused(case: str, light_store: FeatureStore) -> None:
    given, broken = REFUSED[case]

    with pytest.raises(ContractViolated) as refused:
        batch(movie_vectors.v1, given, light_store)

    assert broken in str(refused.value)
