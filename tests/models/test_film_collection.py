"""What the registry of films lets go, and what it keeps for the rest of the lake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from film_lake import FilmLake, film_lake
from models.cold_films import FilmEncoder, encoders_used
from models.film_collection import collect_unused
from models.ranking_branch import RankingBranch


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    return film_lake(tmp_path_factory.getbasetemp())


def test_collecting_lets_go_of_what_nothing_uses_and_keeps_what_vectors_name(lake: FilmLake, tmp_path: Path) -> None:
    made = lake.copy(tmp_path / "copy")
    registry, store = made.registry, made.store
    champion = registry.champion()
    assert champion is not None
    adults = registry.restore(champion.members["adults"], [RankingBranch])
    assert isinstance(adults, RankingBranch)
    unused = registry.put(RankingBranch(adults.ranker, policed=False, k=3))
    at_once = timedelta(0)

    planned = collect_unused(store, dry_run=True, younger=at_once)
    assert (planned.dry_run, planned.objects) == (True, (unused.sha256,))
    assert registry.holds(unused)
    assert collect_unused(store).objects == ()  # it is young
    done = collect_unused(store, younger=at_once)

    assert (done.objects, done.bytes) == (planned.objects, planned.bytes)
    assert not registry.holds(unused)
    assert registry.member(encoders_used(store)[0], [FilmEncoder]).parts().arrays
    assert collect_unused(store, younger=at_once).objects == ()
