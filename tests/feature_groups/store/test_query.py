from __future__ import annotations

import json
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from feature_groups.store import FeatureGroup, FeatureStore, Query, UtcDatetime
from feature_groups.store.errors import InvalidDeclaration


class Rating(pa.DataFrameModel):
    """One row per user, film and instant."""

    user_id: int
    film_id: int
    rated_at: UtcDatetime
    stars: int = pa.Field(nullable=True)
    note: str


class Film(pa.DataFrameModel):
    """One row per film."""

    film_id: int
    title: str
    director_id: int
    restricted: bool = pa.Field(metadata={"label_proxy": "minor"})


class Person(pa.DataFrameModel):
    """One row per person and instant."""

    id: int
    known_at: UtcDatetime
    name: str
    friend_id: int = pa.Field(nullable=True)


class Place(pa.DataFrameModel):
    """One row per person, kind and instant."""

    id: int
    kind: str
    known_at: UtcDatetime
    town: str


class Short(pa.DataFrameModel):
    """One row per film."""

    film_id: pl.Int32
    minutes: int


def group(name: str, contract: Any, key: list[str], time: str | None = None, **more: Any) -> FeatureGroup:
    return FeatureGroup(
        name=name,
        version=1,
        description=f"{name}.",
        primary_key=key,
        event_time=time,
        static=time is None,
        contract=contract,
        **more,
    )


ratings = group("ratings", Rating, ["user_id", "film_id"], "rated_at")
films = group("films", Film, ["film_id"])
people = group("people", Person, ["id"], "known_at", restricted=True)
places = group("places", Place, ["id", "kind"], "known_at")
shorts = group("shorts", Short, ["film_id"])

DIRECTED = films.select("title").join(people.select("name"), on={"director_id": "id"}, prefix="director_")


def names(query: Query) -> list[str]:
    return [output.name for output in query.outputs]


def refused(make: Any, *said: str) -> None:
    with pytest.raises(InvalidDeclaration) as error:
        make()
    for words in said:
        assert words in str(error.value)
    assert error.value.where.startswith("query of feature group ")


def test_columns_are_selected_one_by_one_or_in_a_list() -> None:
    assert names(ratings.select("stars", "note")) == ["stars", "note"]
    assert names(ratings.select(["note", "stars"])) == ["note", "stars"]
    assert names(ratings.select()) == names(ratings.select([])) == []


def test_keys_and_times_are_selected_by_name_only() -> None:
    assert names(ratings.select_all()) == ["stars", "note"]
    assert names(ratings.select_all(include_keys=True)) == ["user_id", "film_id", "rated_at", "stars", "note"]
    assert names(ratings.select_except("note")) == ["stars"]
    assert names(ratings.select("film_id", "stars")) == ["film_id", "stars"]


def test_a_wrong_selection_is_refused() -> None:
    refused(lambda: ratings.select("star"), "no column 'star'", "Did you mean 'stars'", "feature group 'ratings' v1")
    refused(lambda: ratings.select_except("star"), "Did you mean 'stars'")
    refused(lambda: ratings.select("stars", "stars"), "more than once")
    # Wrong on purpose.
    refused(lambda: ratings.select("stars", 3), "not the name of a column")  # type: ignore[arg-type]
    # Wrong on purpose.
    refused(lambda: ratings.select(ratings["stars"]), "not the name of a column")  # type: ignore[arg-type]
    refused(lambda: ratings.select("stars").select("note"), "no column 'note'", "There is: stars")
    refused(lambda: ratings.select("stars").select_except("note"), "no column 'note'")


def test_a_group_without_contract_is_queried_in_the_lake_that_knows_it(light_store: FeatureStore) -> None:
    declared = FeatureGroup(name="visits", version=1, description="Visits.", primary_key=["user"], static=True)
    stored = light_store.get_or_create_feature_group(declared)
    for queried in (declared, stored):
        with pytest.raises(InvalidDeclaration, match="without a contract"):
            queried.select("pages")
    with pytest.raises(InvalidDeclaration, match="open it with"):
        declared["pages"]


def test_a_stored_group_is_queried_by_its_stored_contract(light_store: FeatureStore) -> None:
    stored = light_store.get_or_create_feature_group(ratings)
    reopened = light_store.get_feature_group("ratings", 1)

    for found in (stored, reopened):
        assert found.select_all().to_json() == ratings.select_all().to_json()
        assert (found["stars"] > 1) == (ratings["stars"] > 1)
        assert names(found.select_except("note").filter(ratings["stars"] > 1)) == ["stars"]


def test_a_join_is_on_the_other_groups_primary_key() -> None:
    query = ratings.select("stars").join(films.select("title"))

    assert names(query) == ["stars", "title"]
    (join,) = query.joins
    assert (join.on, join.how, join.prefix) == ((("film_id", "film_id"),), "left", "")
    assert join.query == films.select("title")


@pytest.mark.parametrize("on", ["film_id", ["film_id"], ("film_id",), {"film_id": "film_id"}], ids=repr)
def test_the_columns_of_a_join_are_named_in_every_usual_way(on: Any) -> None:
    assert ratings.select("stars").join(films.select("title"), on) == ratings.select("stars").join(
        films.select("title")
    )


def test_pairs_of_a_join_stand_in_the_order_of_the_key() -> None:
    one = ratings.select().join(places.select("town"), on={"note": "kind", "user_id": "id"})
    two = ratings.select().join(places.select("town"), on={"user_id": "id", "note": "kind"})

    assert one == two
    assert one.joins[0].on == (("user_id", "id"), ("note", "kind"))


def test_a_part_of_a_key_is_joined_only_when_asked_for() -> None:
    refused(lambda: people.select().join(places.select("town")), "no column 'kind'", "on={'<column>': 'kind'}")

    assert people.select().join(places.select("town"), on="id").joins[0].on == (("id", "id"),)


def test_a_missing_key_is_named_with_the_way_to_it() -> None:
    refused(
        lambda: DIRECTED.join(ratings.select("stars")),
        "Joining ratings.v1: films.v1 has no column 'user_id'",
        "on={'<column>': 'user_id'}",
    )
    refused(lambda: ratings.select().join(people.select("name")), "no column 'id'", "on={'<column>': 'id'}")
    refused(
        lambda: ratings.select().join(films.select()).join(people.select("name"), on={"director_id": "id"}),
        "no column 'director_id'",
        "join it inside, to the query of films.v1",
    )


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ([], "name at least one column"),
        ({}, "name at least one column"),
        (3, "give a column"),
        ([3], "as text"),
        ({"film_id": None}, "as text"),
        (["film_id", "film_id"], "twice"),
        ({"film_id": "film_id", "user_id": "film_id"}, "twice"),
        ({"film_id": "title"}, "'title', which is not in its primary key ['film_id']"),
        ("rated_at", "not in its primary key"),
        ({"film": "film_id"}, "Did you mean 'film_id'"),
    ],
    ids=repr,
)
def test_a_join_on_anything_but_the_others_key_is_refused(on: Any, said: str) -> None:
    refused(lambda: ratings.select("stars").join(films.select("title"), on), said)


def test_keys_of_different_types_are_not_compared() -> None:
    said = ("'film_id' is int64", "'film_id' is int32", "never converted")
    refused(lambda: ratings.select("stars").join(shorts.select("minutes")), *said)
    refused(lambda: ratings.select().join(films.select(), on={"note": "film_id"}), "'note' is string")


def test_only_queries_are_joined_and_only_left_or_inner() -> None:
    refused(lambda: ratings.select("stars").join(films), ".select(...)")  # type: ignore[arg-type]  # wrong on purpose
    refused(
        lambda: ratings.select("stars").join(films.select(), how="outer"),  # type: ignore[arg-type]  # wrong on purpose
        "how is 'outer'",
        "'left' or 'inner'",
    )


def test_a_group_is_reached_through_another_ones_key() -> None:
    query = ratings.select("stars").join(DIRECTED, prefix="film_")

    assert names(query) == ["stars", "film_title", "film_director_name"]
    assert [(o.group.name, o.column) for o in query.outputs] == [
        ("ratings", "stars"),
        ("films", "title"),
        ("people", "name"),
    ]
    assert [g.name for g in query.groups] == ["ratings", "films", "people"]


def test_outputs_of_a_left_join_may_be_null_wherever_they_come_from() -> None:
    def nullable(query: Query) -> dict[str, bool]:
        return {o.name: o.spec.nullable for o in query.outputs}

    inner = films.select("title").join(people.select("name"), on={"director_id": "id"}, how="inner")

    assert nullable(inner) == {"title": False, "name": False}
    assert nullable(DIRECTED) == {"title": False, "director_name": True}
    assert nullable(ratings.select("stars", "note").join(inner)) == {
        "stars": True,
        "note": False,
        "title": True,
        "name": True,
    }
    assert nullable(ratings.select("note").join(DIRECTED, how="inner")) == {
        "note": False,
        "title": False,
        "director_name": True,
    }


def test_an_output_keeps_all_but_the_name_of_its_column() -> None:
    (output,) = ratings.select().join(films.select("restricted"), prefix="film_").outputs

    assert (output.spec.name, output.spec.type, output.spec.label_proxy) == ("film_restricted", "bool", "minor")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ratings.select("film_id").join(films.select_all(include_keys=True)),
        lambda: people.select("name").join(people.select("name"), on={"friend_id": "id"}),
        lambda: ratings.select("note").join(films.select().join(ratings.select("note"), on="film_id")),
        lambda: ratings.select().join(DIRECTED).join(people.select("name"), {"user_id": "id"}, prefix="director_"),
    ],
)
def test_two_outputs_of_one_name_are_refused_with_the_fix(make: Any) -> None:
    refused(make, "Two of its outputs would be named", 'prefix="')


def test_the_message_names_both_groups_of_an_ambiguous_name() -> None:
    refused(
        lambda: ratings.select("film_id").join(films.select("film_id")),
        "ratings.v1's 'film_id'",
        "films.v1's 'film_id'",
    )
    query = ratings.select("film_id").join(films.select("film_id"), prefix="the_")
    assert names(query) == ["film_id", "the_film_id"]


@pytest.mark.parametrize("prefix", ["Film_", "1_", "f-", " ", "é", "x" * 60, 3, None], ids=repr)
def test_a_prefix_makes_good_names(prefix: Any) -> None:
    refused(lambda: ratings.select("stars").join(films.select("title"), prefix=prefix), "refix")
    refused(lambda: ratings.select("stars").join(films.select(), prefix=prefix), "refix")


def test_a_condition_filters_its_own_group() -> None:
    query = ratings.select("stars").join(DIRECTED)

    # == makes a condition.
    found = query.filter((ratings["stars"] >= 4) & (films["restricted"] == False) & people["name"].is_not_null())  # noqa: E712

    assert found.where == (ratings["stars"] >= 4)
    assert found.joins[0].query.where == (films["restricted"] == False)  # noqa: E712  # == makes a condition
    assert found.joins[0].query.joins[0].query.where == people["name"].is_not_null()
    assert names(found) == names(query)
    # == makes a condition.
    assert found == query.filter(~((ratings["stars"] < 4) | (films["restricted"] != False) | people["name"].is_null()))  # noqa: E712


def test_filters_add_up() -> None:
    once = ratings.select("stars").filter((ratings["stars"] >= 4) & (ratings["note"] != ""))
    twice = ratings.select("stars").filter(ratings["stars"] >= 4).filter(ratings["note"] != "")

    assert once == twice
    assert once.where == (ratings["stars"] >= 4) & (ratings["note"] != "")


def test_a_filter_looks_at_columns_that_are_not_selected() -> None:
    assert ratings.select("note").filter(ratings["stars"] == 5).columns == ("note",)


def test_a_condition_across_groups_is_refused_with_the_reason() -> None:
    query = ratings.select("stars").join(films.select("title"))
    refused(
        lambda: query.filter((ratings["stars"] >= 4) | (films["title"] == "")),
        "films_v1 and ratings_v1 at once",
        "before its newest row is picked",
    )


def test_a_condition_on_a_group_that_is_not_there_or_there_twice_is_refused() -> None:
    friends = people.select("name").join(people.select("name"), on={"friend_id": "id"}, prefix="friend_")
    refused(lambda: ratings.select("stars").filter(films["title"] == ""), "films_v1, which is not in it", "join")
    refused(lambda: friends.filter(people["name"] == "Ada"), "occurs in it 2 times", "before it is joined")

    befriended = people.select("name").join(
        people.select("name").filter(people["name"] == "Ada"), on={"friend_id": "id"}, prefix="friend_"
    )
    assert befriended.where is None
    assert befriended.joins[0].query.where == (people["name"] == "Ada")


@pytest.mark.parametrize("condition", [True, None, "stars > 4", ratings["stars"]], ids=repr)
def test_only_conditions_filter(condition: Any) -> None:
    refused(lambda: ratings.select("stars").filter(condition), "which is no condition")


def test_a_condition_made_for_another_contract_is_refused() -> None:
    other = group("ratings", Place, ["id", "kind"], "known_at")
    retyped = group("films", Short, ["film_id"])
    refused(lambda: ratings.select("stars").filter(other["town"] == ""), "takes 'town' as string; here it is not there")
    refused(lambda: films.select().filter(retyped["film_id"] == 1), "takes 'film_id' as int32; here it is int64")


def test_no_verb_changes_the_query_it_is_called_on() -> None:
    query = ratings.select("stars").join(films.select("title"))
    before = query.to_json()

    query.filter(films["title"] != "").join(people.select("name"), on={"user_id": "id"}).select("name")
    query.select_except("stars")

    assert query.to_json() == before


def test_a_query_is_narrowed_by_the_names_of_its_outputs() -> None:
    query = ratings.select("stars", "note").join(DIRECTED, how="inner", prefix="film_").filter(films["title"] != "")

    assert names(query.select("film_director_name", "note")) == ["note", "film_director_name"]
    assert names(query.select_except("stars", "film_title")) == ["note", "film_director_name"]
    assert names(query.select(["stars"])) == ["stars"]
    assert query.select(names(query)) == query
    assert query.select("stars").groups == query.groups
    assert query.select("stars").joins[0].query.where == (films["title"] != "")


def test_queries_are_values() -> None:
    def make(stars: int = 4) -> Query:
        joined = ratings.select("stars").join(films.select("title"), how="inner", prefix="film_")
        return joined.filter(ratings["stars"] > stars)

    others = [make(3), make().select("stars"), ratings.select("stars"), films.select("title")]

    assert make() == make()
    assert len({make(), make(), *others}) == 5
    assert make() not in others
    assert make().to_json() == make().to_json()


def test_a_query_is_plain_json() -> None:
    query = ratings.select("stars").join(films.select("title"), prefix="film_").filter(ratings["stars"].isin([5, 4]))

    assert json.loads(json.dumps(query.to_json())) == {
        "group": "ratings_v1",
        "columns": ["stars"],
        "joins": [
            {
                "on": [["film_id", "film_id"]],
                "how": "left",
                "prefix": "film_",
                "query": {"group": "films_v1", "columns": ["title"], "joins": [], "where": None},
            }
        ],
        "where": {"group": "ratings_v1", "column": "stars", "operator": "isin", "values": [4, 5]},
    }


def test_a_query_is_readable() -> None:
    query = ratings.select("stars", "note").join(
        films.select().join(people.select("name"), {"director_id": "id"}, "inner"), prefix="by_"
    )

    assert repr(query.filter((ratings["stars"] > 3) & (people["name"] != "Ada"))) == "\n".join(
        [
            "ratings.v1: stars, note",
            "  where ratings.v1['stars'] > 3",
            "  left join films.v1 on film_id, prefix 'by_': no columns",
            "    inner join people.v1 on director_id = id: name",
            "      where people.v1['name'] != 'Ada'",
        ]
    )


def test_a_query_in_a_notebook_is_escaped() -> None:
    shown = ratings.select("stars").join(films.select("title")).filter(films["title"] != "<script>&")._repr_html_()

    assert "&lt;script&gt;&amp;" in shown
    assert "<script>" not in shown
    assert shown.count("<tr>") == 3
