"""Scoring, predictions made again and explained, on a small lake with a champion."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups import movies, predictions, ratings, users
from feature_groups.sources.movielens_files import read_ratings
from feature_groups.views import age_gate
from film_lake import FilmLake, film_lake
from models.errors import CannotBeAsked, LineageGone, NothingServes, PredictionDiffers, UnknownPrediction, WrongView
from models.film_cascade import ADULTS, MINORS
from models.film_explanation import explain
from models.film_outcomes import FilmOutcomes
from models.film_predictions import Again, Prediction, logged, releases_used, reproduce
from models.film_rows import asked_about, film_rows, groups_read
from models.film_scoring import FilmScoring
from models.prediction_log import made_here, prediction_id

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A lake with a champion that nobody has asked yet."""
    return film_lake(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def scored(lake: FilmLake, tmp_path_factory: pytest.TempPathFactory) -> FilmLake:
    """A copy in which it was asked about everybody and a newcomer; somebody rated a film that is new to it.

    A film has a title that a browser could take for more than that.
    """
    made = lake.copy(tmp_path_factory.mktemp("scored") / "copy")
    store = made.store
    favourite = lake.rows(ratings.v1).filter(pl.col("rating") >= 4)["movie_id"].mode().min()
    odd = lake.rows(movies.v1).filter(movie_id=favourite).with_columns(title=pl.lit("<b>Odd</b>"))
    new = odd.with_columns(movie_id=pl.lit(NEW_FILM, dtype=pl.Int64), title=pl.lit("Unheard of"))
    store.get_or_create_feature_group(movies.v1).insert(pl.concat([odd, new]))
    made.rate([(1, NEW_FILM, 5)], age_gate.now(store))
    FilmScoring.of(store, users=[*lake.rows(users.v1)["user_id"], NEWCOMER]).write()
    return made


NEWCOMER, NEW_FILM = 10_000, 20_000


def refuse_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(settings: object) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr("feature_groups.store.engines.session.spark_session", refuse)


def test_everybody_is_scored_once_by_the_champion_just_after_the_newest_rating(scored: FilmLake) -> None:
    made = scored.predictions()

    assert made["user_id"].to_list() == [*sorted(scored.rows(users.v1)["user_id"]), NEWCOMER]
    champion = scored.registry.champion()
    assert champion is not None
    assert made["release"].unique().to_list() == [champion.id]
    newest = scored.rows(ratings.v1)["rated_at"].max()
    assert isinstance(newest, datetime)
    assert made["asked_at"].unique().to_list() == [newest + timedelta(microseconds=1)]
    ids = [prediction_id(champion.id, user, newest + timedelta(microseconds=1)) for user in made["user_id"]]
    assert made["prediction_id"].to_list() == ids
    assert set(made["made_with"]) == {made_here()}


def test_the_log_names_exactly_the_versions_that_were_read(scored: FilmLake) -> None:
    said = {text: json.loads(text) for text in scored.predictions()["features"].unique()}
    read = {used.group: [used.table_id, used.version] for used in groups_read(scored.store)}

    assert list(said.values()) == [read]
    assert set(read) == {"user_activity_v1", "user_history_v1", "ratings_v1", "movies_v1"}
    assert read["ratings_v1"][1] == read["movies_v1"][1] == 2
    assert read["user_activity_v1"][1] == 1


def test_histories_are_the_ratings_before_the_instant_newest_first(lake: FilmLake) -> None:
    raw = read_ratings(lake.data / "ratings.dat")
    at = age_gate.now(lake.store) - timedelta(days=300)
    asked = asked_about(pl.Series(range(1, 30)), at)
    made = film_rows(lake.store, asked, {})

    for row in made.rows(named=True):
        own = raw.filter(pl.col("user_id") == row["user_id"], pl.col("timestamp") < at.timestamp())
        own = own.sort("timestamp", "source_row_id", descending=True)
        assert row["rated_movies"] == own["movie_id"].to_list()
        assert row["liked_movies"] == own.filter(pl.col("rating") >= 4)["movie_id"].to_list()
        assert row["count_all"] == (own.height or None)


def test_a_policed_route_never_shows_a_restricted_film_nor_any_route_a_film_rated_before(scored: FilmLake) -> None:
    made, restricted = scored.predictions(), scored.restricted()
    shown = made.with_columns(bad=pl.col("movies").list.set_intersection(restricted).list.len())

    assert set(made["route"]) == {ADULTS, MINORS}
    assert shown.filter(pl.col("route") != ADULTS)["bad"].max() == 0
    assert shown.filter(route=ADULTS)["bad"].max() > 0  # type: ignore[operator]  # a number here
    assert (made["movies"].list.len() == predictions.LENGTH).all()
    rated = scored.rows(ratings.v1).group_by("user_id").agg("movie_id")
    both = made.join(rated, on="user_id").select(pl.col("movies").list.set_intersection("movie_id").list.len())
    assert both.to_series().max() == 0


def test_a_newcomer_falls_back_to_what_is_popular_and_allowed_and_a_film_new_to_it_is_passed_over(
    scored: FilmLake, lake: FilmLake
) -> None:
    made = scored.predictions()
    newcomer = made.filter(user_id=NEWCOMER).row(0, named=True)

    assert (newcomer["route"], newcomer["score"], newcomer["reason"]) == (MINORS, None, "fallback")
    assert len(newcomer["movies"]) == predictions.LENGTH
    assert (made.filter(pl.col("user_id") != NEWCOMER)["reason"] != "fallback").all()
    before = FilmScoring.of(lake.store).predictions().filter(user_id=1).row(0, named=True)
    after = made.filter(user_id=1).row(0, named=True)
    assert (after["movies"], after["route"]) == (before["movies"], before["route"])


def test_features_that_are_no_numbers_fall_back_and_cost_nobody_else(scored: FilmLake) -> None:
    rows = Again.of(scored.store, scored.predictions()["prediction_id"][0])
    asked = asked_about(scored.rows(users.v1)["user_id"], rows.prediction.asked_at)
    whole = film_rows(scored.store, asked, {})
    broken = whole.with_columns(year_mean=pl.when(pl.col("user_id") % 7 == 0).then(float("nan")).otherwise("year_mean"))
    decided = rows.model.decide(broken).with_columns(whole["user_id"])

    wrong = pl.col("user_id") % 7 == 0
    assert set(decided.filter(wrong)["reason"]) == {"fallback"}
    assert set(decided.filter(wrong)["route"]) == {MINORS}
    assert decided.filter(~wrong).drop("user_id").equals(rows.model.decide(whole.filter(~wrong)))


def test_the_same_question_again_makes_no_commit_and_starts_no_jvm(
    scored: FilmLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_spark(monkeypatch)
    before = scored.store.get_or_create_feature_group(predictions.v1).history()
    again = FilmScoring.of(scored.store)
    receipt = again.write()["receipt"]

    assert (receipt["committed"], receipt["unchanged"]) == (False, scored.predictions().height - 1)
    after = scored.store.get_or_create_feature_group(predictions.v1).history()
    assert [commit.version for commit in after] == [commit.version for commit in before] == [1, 0]
    assert FilmScoring.of(scored.store).batch_key == again.batch_key


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_any_prediction_is_made_again_bit_for_bit_alone_as_among_all(scored: FilmLake, data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(scored.predictions()["prediction_id"].to_list()))
    made = reproduce(scored.store, chosen)

    assert made.equal
    assert "made again bit for bit" in repr(made)
    assert "ratings_v1 at 2" in made._repr_html_()


def test_later_ratings_change_no_prediction_but_are_its_outcomes(scored: FilmLake, tmp_path: Path) -> None:
    made = scored.copy(tmp_path / "copy")
    first = made.predictions()
    at = first["asked_at"][0]
    liked = [(row["user_id"], row["movies"][0], 5) for row in first.head(20).rows(named=True)]
    disliked = [(row["user_id"], row["movies"][0], 2) for row in first[20:30].rows(named=True)]
    made.rate([*liked, *disliked], at + HOUR)
    later = age_gate.now(made.store)

    assert [reproduce(made.store, name).equal for name in first["prediction_id"][:2]] == [True, True]
    again = FilmScoring.of(made.store)
    assert again.asked_at == later > at
    assert again.write()["receipt"]["inserted"] == first.height - 1
    assert reproduce(made.store, first["prediction_id"][0]).prediction.versions["ratings_v1"][1] == 2
    newest = made.predictions().filter(asked_at=later)
    assert reproduce(made.store, newest["prediction_id"][0]).prediction.versions["ratings_v1"][1] == 3

    judged = FilmOutcomes.of(made.store, later)
    found = judged.outcomes()
    assert found.height == first.height
    hits = found.filter("hit")["user_id"].to_list()
    assert sorted(hits) == sorted(user for user, _, _ in liked)
    table = judged.quality()
    assert table["predictions"].sum() == first.height
    assert table["judged"].sum() == len(liked)
    assert set(table.filter(pl.col("judged") > 0)["hit_rate"]) == {1.0}
    assert FilmOutcomes.of(made.store, at).quality().is_empty()


def test_an_explanation_names_route_features_and_the_films_that_speak_for_each(scored: FilmLake) -> None:
    titles = dict(scored.rows(movies.v1).select("movie_id", pl.format("{} ({})", "title", "year")).iter_rows())
    chosen = scored.predictions().filter(pl.col("user_id") < 4).rows(named=True)
    for row in chosen:
        why = explain(scored.store, row["prediction_id"])
        rated = film_rows(scored.store, asked_about(pl.Series([row["user_id"]]), row["asked_at"]), {})

        assert [film.movie_id for film in why.films] == row["movies"]
        scores = [film.score for film in why.films]
        assert None not in scores
        assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]  # a number here
        for film in why.films:
            assert film.title == titles[film.movie_id]
            assert 0 < len(film.because) <= 3
            assert {reason.movie_id for reason in film.because} <= set(rated["liked_movies"][0])
            assert film.title in repr(why)
            assert all(titles[reason.movie_id] == reason.title for reason in film.because)
        assert why.features["count_all"] == rated["count_all"][0]
        assert row["route"] in repr(why)
        assert "bit for bit" in repr(why)


def test_what_a_film_scores_is_the_sum_of_what_the_history_says(scored: FilmLake) -> None:
    chosen = scored.predictions().filter(route=ADULTS)["prediction_id"][0]
    again, why = Again.of(scored.store, chosen), explain(scored.store, chosen)
    branch: Any = again.model.cascade.branches[ADULTS]
    scores = branch.ranker.scores(branch.history(again.row))[0]

    columns = branch.ranker.catalogue.columns([film.movie_id for film in why.films])
    # A number here.
    assert np.allclose([film.score for film in why.films], scores[columns], rtol=1e-5)  # type: ignore[arg-type]


def test_titles_are_shown_as_they_are_and_never_as_markup(scored: FilmLake) -> None:
    odd = scored.rows(movies.v1).filter(title="<b>Odd</b>")["movie_id"].item()
    told = scored.predictions().filter(pl.col("movies").list.contains(odd))["prediction_id"][0]
    page = explain(scored.store, told)._repr_html_()

    assert "<b>Odd" not in page
    assert "&lt;b&gt;Odd&lt;/b&gt;" in page


def test_a_newcomer_s_explanation_says_that_nothing_is_known(scored: FilmLake) -> None:
    why = explain(scored.store, scored.predictions().filter(user_id=NEWCOMER)["prediction_id"].item())

    assert {film.because for film in why.films} == {()}
    assert "popular with everybody" in repr(why)
    assert "the router could not say" in repr(why)
    assert "count_all not known" in repr(why)


def test_a_prediction_that_nobody_made_is_named(scored: FilmLake, lake: FilmLake) -> None:
    for verb in (reproduce, explain):
        with pytest.raises(UnknownPrediction, match="None of its 101 predictions is 'ffff'"):
            verb(scored.store, "ffff")
    with pytest.raises(UnknownPrediction, match="Nothing was predicted yet"):
        reproduce(lake.store, "f" * 64)


def test_a_log_that_was_tampered_with_is_found_out(scored: FilmLake, tmp_path: Path) -> None:
    made = scored.copy(tmp_path / "copy")
    row = made.predictions().filter(pl.col("reason") == "score").row(0, named=True)
    elsewhere = json.dumps(json.loads(row["made_with"]) | {"cpu": "vax"})
    remade = json.dumps({g: ["0" * 36, v] for g, (_, v) in json.loads(row["features"]).items()})
    future = json.dumps({g: [t, 99] for g, (t, _) in json.loads(row["features"]).items()})
    planted = {
        "films": {"movies": row["movies"][::-1]},
        "bits": {"score": row["score"] * (1 + 1e-12)},
        "near": {"score": row["score"] * (1 + 1e-12), "made_with": elsewhere},
        "far": {"score": row["score"] + 1e-5, "made_with": elsewhere},
        "remade": {"features": remade},
        "future": {"features": future},
    }
    ids = {name: f"{place:064x}" for place, name in enumerate(planted)}
    rows = [{**row, **changed, "prediction_id": ids[name]} for name, changed in planted.items()]
    made.store.get_or_create_feature_group(predictions.v1).insert(pl.DataFrame(rows, schema=made.predictions().schema))

    for name in ("films", "bits"):
        with pytest.raises(PredictionDiffers, match="under the same lock and CPU family"):
            reproduce(made.store, ids[name])
    near = reproduce(made.store, ids["near"])
    assert not near.equal
    assert "under another cpu, its score within 1e-06" in repr(near)
    with pytest.raises(PredictionDiffers, match="under another cpu"):
        reproduce(made.store, ids["far"])
    with pytest.raises(LineageGone, match="was made anew"):
        reproduce(made.store, ids["remade"])
    with pytest.raises(LineageGone, match="Version 99 is not there"):
        reproduce(made.store, ids["future"])


def test_a_vacuum_ends_what_can_be_made_again_and_the_error_says_so(scored: FilmLake, tmp_path: Path) -> None:
    made = scored.copy(tmp_path / "copy")
    chosen = made.predictions()["prediction_id"][0]
    stored = made.store.get_or_create_feature_group(movies.v1)
    films = made.rows(movies.v1)
    stored.insert(films.with_columns(year=pl.col("year") + 1), overwrite=True)
    assert reproduce(made.store, chosen).equal
    made.store.vacuum(retain=timedelta(0), group=movies.v1)

    with pytest.raises(LineageGone, match="The vacuum of"):
        reproduce(made.store, chosen)
    assert logged(made.store, chosen).id == chosen


def test_the_registry_keeps_what_the_log_names(scored: FilmLake, lake: FilmLake, tmp_path: Path) -> None:
    made = scored.copy(tmp_path / "copy")
    champion = made.registry.champion()
    assert champion is not None
    others = [replace(champion, metrics={"variant": n}) for n in range(2)]
    for other in others:
        made.registry.promote(made.registry.release(other))

    assert releases_used(lake.store) == []
    assert releases_used(made.store) == [champion.id]
    strict: dict[str, Any] = {"parents": 0, "younger": timedelta(0), "dry_run": True}
    assert champion.id in made.registry.collect(**strict).releases
    assert made.registry.collect(pinned=releases_used(made.store), **strict).kept[champion.id] == "pinned"


def test_without_a_champion_or_with_one_of_another_contract_nobody_is_scored(lake: FilmLake, tmp_path: Path) -> None:
    made = lake.copy(tmp_path / "copy")
    champion = made.registry.champion()
    assert champion is not None
    other = replace(champion, datasets=tuple(replace(used, contract="0" * 64) for used in champion.datasets))
    made.registry.promote(made.registry.release(other))
    with pytest.raises(WrongView, match="It was trained on 'age_gate_v1' with the contract 000000000000"):
        FilmScoring.of(made.store)

    for switch in (made.lake / "metadata" / "registries" / "films" / "switches").iterdir():
        switch.unlink()
    with pytest.raises(NothingServes, match="none of its 3 releases passed every gate"):
        FilmScoring.of(made.store)


def test_what_cannot_be_asked_is_named(lake: FilmLake) -> None:
    with pytest.raises(CannotBeAsked, match="no time zone"):
        FilmScoring.of(lake.store, datetime(2002, 1, 1))
    with pytest.raises(CannotBeAsked, match="Nobody had rated by then"):
        FilmScoring.of(lake.store, datetime(1999, 1, 1, tzinfo=UTC))
    with pytest.raises(CannotBeAsked, match="The users given are none"):
        FilmScoring.of(lake.store, users=[])
    at = datetime(2000, 8, 1, tzinfo=timezone(5 * HOUR))
    early = FilmScoring.of(lake.store, at)
    assert early.asked_at == at
    made = early.predictions()
    assert 0 < made.height < lake.rows(users.v1).height
    assert (made["reason"] != "fallback").all()


def test_a_prediction_is_what_its_row_says(scored: FilmLake) -> None:
    row = scored.predictions().row(0, named=True)
    made = Prediction.of(row)

    assert (made.id, made.movies, made.score) == (row["prediction_id"], tuple(row["movies"]), row["score"])
    assert set(made.made_with) == {"cpu", "lock"}
