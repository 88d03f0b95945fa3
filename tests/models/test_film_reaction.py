"""What the example's pipeline reacts to."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from feature_groups.store.outbox import Outbox
from feature_groups.views import age_gate
from film_lake import FilmLake, film_lake
from models.film_names import NAME
from models.film_reaction import WATCHED, film_reaction
from models.reaction import PIPELINE, handled

HALF = 0.5


@pytest.fixture
def rated(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A lake whose pipeline has handled everything, and to which one rating has come two days later."""
    made = film_lake(tmp_path_factory.getbasetemp()).copy(tmp_path / "copy")
    versions, notices = Outbox(made.store, PIPELINE).newest(WATCHED)
    handled(made.store, versions, notices, trained=True)
    made.rate([(1, 1, 5)], age_gate.now(made.store) + timedelta(days=2))
    return made


def test_where_a_release_serves_few_new_rows_are_scored_and_not_trained_on(rated: FilmLake) -> None:
    found = film_reaction(rated.store, None, cool_down=timedelta(0), new_rows=HALF)

    assert (found.run, found.train) == (True, False)
    assert "ratings_v1 moved to v2" in found.reasons


def test_where_none_serves_any_new_row_is_trained_on(rated: FilmLake) -> None:
    shutil.rmtree(rated.lake / "metadata" / "registries" / NAME)
    found = film_reaction(rated.store, None, cool_down=timedelta(0), new_rows=HALF)

    assert (found.run, found.train) == (True, True)
