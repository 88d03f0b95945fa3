from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import pandera.polars as pa
import polars as pl
import pytest

from feature_groups.store import Aggregation, FeatureGroup, Source, UtcDatetime, invariant
from feature_groups.store.contract import ContractSpec, inferred_contract
from feature_groups.store.declarations import Declarations
from feature_groups.store.errors import (
    AlluviaError,
    DeclarationChanged,
    InvalidDeclaration,
    SourceMissing,
    UnknownFeatureGroup,
)
from feature_groups.store.feature_group import BREAKING, declaration_json
from feature_groups.store.metadata import Metadata

DAY = timedelta(days=1)


class Contract(pa.DataFrameModel):
    """One row per user, film and rating."""

    user_id: int = pa.Field(ge=1)
    movie_id: int
    rated_at: UtcDatetime
    rating: float = pa.Field(nullable=True)
    seen_at: UtcDatetime
    maybe_at: UtcDatetime = pa.Field(nullable=True)
    country: str
    note: str = pa.Field(nullable=True)
    blob: pl.Binary = pa.Field(nullable=True)
    tags: pl.List(pl.String) = pa.Field(nullable=True)


class Activity(pa.DataFrameModel):
    """One row per user and instant of change."""

    user_id: int
    rated_at: UtcDatetime
    count_7d: int
    rating_mean_7d: float = pa.Field(nullable=True)
    rating_last_n_all: pl.List(pl.Float64)
    share: float = pa.Field(nullable=True)
    wrong: str = pa.Field(nullable=True)


class Films(pa.DataFrameModel):
    """One row per film."""

    movie_id: int
    title: str


def same(frame: Any) -> Any:
    return frame


def ratings(**more: Any) -> FeatureGroup:
    declared: dict[str, Any] = {
        "name": "ratings",
        "version": 1,
        "description": "Ratings that users gave.",
        "primary_key": ["user_id", "movie_id"],
        "event_time": "rated_at",
        "contract": Contract,
    }
    return FeatureGroup(**(declared | more))


def films(**more: Any) -> FeatureGroup:
    declared: dict[str, Any] = {"name": "films", "version": 1, "description": "Films.", "primary_key": ["movie_id"]}
    return FeatureGroup(**(declared | {"static": True, "contract": Films} | more))


COUNT = Aggregation("count", windows=[timedelta(days=7)])
MEAN = Aggregation("mean", "rating", windows=[timedelta(days=7)])
LAST = Aggregation("last_n", "rating", n=3)


def shares(rows: Any) -> Any:
    return rows.with_columns((nw.col("count_7d") / 7).alias("share"))


def activity(**more: Any) -> FeatureGroup:
    declared: dict[str, Any] = {
        "name": "activity",
        "version": 1,
        "description": "What users did.",
        "primary_key": ["user_id"],
        "event_time": "rated_at",
        "contract": Activity,
        "parents": [ratings()],
        "aggregations": [COUNT, MEAN, LAST],
        "decimals": {"rating": 1},
        "derive": shares,
    }
    return FeatureGroup(**(declared | more))


Make = Callable[[], FeatureGroup]

REFUSED: dict[str, tuple[Make, str, str]] = {
    "a name that is none": (lambda: ratings(name="Ratings"), "does not match", "'ratings'"),
    "a reserved name": (lambda: ratings(name="order"), "reserved word", "'order_value'"),
    "no name": (lambda: ratings(name=None), "not text", "feature"),
    "version 0": (lambda: ratings(version=0), "The version is 0", "from 1 up"),
    "version as text": (lambda: ratings(version="1"), "The version is '1'", "from 1 up"),
    "version as truth": (lambda: ratings(version=True), "The version is True", "from 1 up"),
    "no description": (lambda: ratings(description=" "), "no description", "in a sentence"),
    "description None": (lambda: ratings(description=None), "no description", "in a sentence"),
    "no key": (lambda: ratings(primary_key=[]), "no primary key", "whom a row is about"),
    "key None": (lambda: ratings(primary_key=None), "primary_key is None", "list of column names"),
    "key as a number": (lambda: ratings(primary_key=5), "primary_key is 5", "list of column names"),
    "key as a set": (lambda: ratings(primary_key={"user_id"}), "primary_key is {'user_id'}", "list of column names"),
    "key of numbers": (lambda: ratings(primary_key=[5]), "5 is a int, not text", "name the primary key column"),
    "key named twice": (lambda: ratings(primary_key=["user_id", "user_id"]), "named more than once", "once"),
    "key that is not there": (lambda: ratings(primary_key=["user"]), "primary_key: 'user' is not", "add the column"),
    "key misspelt": (lambda: ratings(primary_key=["user_idd"]), "Did you mean 'user_id'?", "add the column"),
    "key that may be NULL": (lambda: ratings(primary_key=["note"]), "'note' may be NULL", "drop nullable=True"),
    "key with time in it": (lambda: ratings(primary_key=["rated_at"]), "also in the primary key", "leave it out"),
    "neither time nor static": (lambda: ratings(event_time=None), "no event time and is not static", "static=True"),
    "time and static": (lambda: ratings(static=True), "static and has an event time", "event_time="),
    "static as text": (lambda: ratings(static="no"), "static is 'no'", "give bool"),
    "time that is not there": (lambda: ratings(event_time="rated"), "event_time: 'rated' is not", "add the column"),
    "time that is a number": (lambda: ratings(event_time="country"), "event_time 'country' is string", "UtcDatetime"),
    "time that may be NULL": (lambda: ratings(event_time="maybe_at"), "may be NULL", "drop nullable=True"),
    "time as a list": (lambda: ratings(event_time=["rated_at"]), "event_time is ['rated_at']", "str or None"),
    "sequence that is not there": (lambda: ratings(sequence="row"), "sequence: 'row' is not", "add the column"),
    "sequence without order": (lambda: ratings(sequence="tags"), "sequence 'tags' is list<string>", "a number"),
    "tags that are no text": (lambda: ratings(tags={"team": 5}), "The tag 'team': 5", "use text"),
    "tags as a list": (lambda: ratings(tags=["team"]), "tags is ['team']", "give a dict"),
    "tags None": (lambda: ratings(tags=None), "tags is None", "give a dict"),
    "owner None": (lambda: ratings(owner=None), "owner is None", "give str"),
    "policy misspelt": (lambda: ratings(policy="strickt"), "Did you mean 'strict'?", "strict, quarantine, warn"),
    "corrections unknown": (lambda: ratings(corrections=None), "corrections is None", "replace, keep"),
    "keep unknown": (lambda: ratings(keep="last"), "keep is 'last'", "error, latest"),
    "share above 1": (lambda: ratings(max_rejected=1.5), "max_rejected is 1.5", "between 0 and 1"),
    "share NaN": (lambda: ratings(max_rejected=float("nan")), "max_rejected is nan", "between 0 and 1"),
    "share as text": (lambda: ratings(max_rejected="10%"), "max_rejected is '10%'", "float or int"),
    "resolution of nothing": (lambda: ratings(resolution=timedelta(0)), "resolution is", "positive timedelta"),
    "freshness of no time": (lambda: ratings(freshness=0 * DAY), "freshness is", "positive timedelta"),
    "ttl as a number": (lambda: ratings(ttl=3600), "ttl is 3600", "positive timedelta"),
    "delay backwards": (lambda: ratings(source_delay=-DAY), "source_delay is", "zero or more"),
    "ttl of a static group": (lambda: films(ttl=DAY), "count from an event time", "declare event_time"),
    "kept corrections with own times": (
        lambda: ratings(corrections="keep", ingested_from="seen_at"),
        "strictly increasing instants",
        "drop ingested_from",
    ),
    "ingestion that may be NULL": (lambda: ratings(ingested_from="maybe_at"), "may be NULL", "drop nullable=True"),
    "ingestion that is no time": (lambda: ratings(ingested_from="country"), "is string", "UtcDatetime"),
    "five cluster columns": (lambda: ratings(cluster_by=["user_id"] * 5), "names 5 columns", "up to 4"),
    "a cluster column twice": (lambda: ratings(cluster_by=["user_id"] * 2), "more than once", "once"),
    "a partition column twice": (lambda: ratings(partition_by=["country"] * 2), "more than once", "once"),
    "partitions and clusters": (
        lambda: ratings(partition_by=["country"], cluster_by=["user_id"]),
        "either partitioned or clustered",
        "drop",
    ),
    "partitions of floats": (lambda: ratings(partition_by=["rating"]), "cannot be laid out", "use another"),
    "clusters of lists": (lambda: ratings(cluster_by=["tags"]), "cannot be laid out", "use another"),
    "partitions of bytes": (lambda: ratings(partition_by=["blob"]), "cannot be laid out", "use another"),
    "partitions that are not there": (lambda: ratings(partition_by=["contry"]), "Did you mean 'country'?", "add"),
    "partitions of everything": (lambda: films(partition_by=["movie_id", "title"]), "Every column", "leave one out"),
    "source and parents": (lambda: activity(source=source()), "not both", "drop source= or parents="),
    "source as a path": (lambda: ratings(source="ratings.csv"), "source is 'ratings.csv'", "Source or None"),
    "a bare parent": (lambda: activity(parents=ratings()), "parents is FeatureGroup", "list of FeatureGroups"),
    "parents by name": (lambda: activity(parents=["ratings"]), "parents is ['ratings']", "list of FeatureGroups"),
    "parents and no code": (
        lambda: activity(aggregations=(), derive=None, decimals={}),
        "nothing makes rows from them",
        "transform=",
    ),
    "transform of nothing": (lambda: ratings(transform=same), "nothing to work on", "source= or parents="),
    "Spark transform of nothing": (lambda: ratings(spark_transform=same), "nothing to work on", "source="),
    "a transform for Spark only": (
        lambda: activity(transform=None, spark_transform=same),
        "but there is none",
        "give transform=, too",
    ),
    "transform that is no function": (lambda: activity(transform=5), "transform is a int", "give a function"),
    "aggregations of nothing": (lambda: ratings(aggregations=[COUNT]), "no events to run on", "source= or"),
    "a bare aggregation": (lambda: activity(aggregations=COUNT), "aggregations is Aggregation", "Aggregations"),
    "aggregations without time": (
        lambda: activity(event_time=None, static=True),
        "aggregations need an event time",
        "declare event_time",
    ),
    "derive of nothing": (lambda: ratings(derive=same), "nothing to work on", "source="),
    "derive as a list": (lambda: activity(derive=["share"]), "derive is a list", "give a function"),
    "computed without contract": (lambda: activity(contract=None), "has no contract", "declare contract="),
    "contract that is no class": (lambda: ratings(contract="Contract"), "contract is 'Contract'", "DataFrameModel"),
    "contract without grain": (lambda: ratings(contract=NoGrain), "does not say what one row is", "One row per"),
    "an output that is not declared": (
        lambda: activity(aggregations=[Aggregation("count", windows=[DAY])], derive=None),
        "It computes 'count_1d', which its contract does not declare. Did you mean 'count_7d'?",
        "add the column",
    ),
    "a count that is no int64": (
        lambda: activity(aggregations=[Aggregation("count", windows=[timedelta(days=7)], name="rating_mean")]),
        "as int64, not float64",
        "declare it as int64",
    ),
    "last values that are no list": (
        lambda: activity(aggregations=[Aggregation("last_n", "rating", n=2, name="wrong_last")], contract=WrongLast),
        "is no list",
        "list[...]",
    ),
    "one output computed twice": (lambda: activity(aggregations=[COUNT, COUNT]), "computed twice", "name="),
    "a computed key": (lambda: activity(primary_key=["count_7d"]), "is a key column", "rename"),
    "floats added up without decimals": (
        lambda: activity(decimals={}),
        "'rating' is a float: its sums would differ",
        "declare decimals={'rating':",
    ),
    "decimals below nothing": (lambda: activity(decimals={"rating": -1}), "decimals['rating'] is -1", "0 to 12"),
    "decimals as truth": (lambda: activity(decimals={"rating": True}), "is True", "0 to 12"),
    "decimals as a list": (lambda: activity(decimals=["rating"]), "decimals is ['rating']", "give a dict"),
    "decimals of no column": (lambda: ratings(decimals={"ratng": 1}), "Did you mean 'rating'?", "add the column"),
    "an aggregated column the parent has not": (
        lambda: activity(aggregations=[Aggregation("sum", "raiting", windows=[DAY], name="share")], contract=SumOf),
        "'raiting' is not a column of ratings.v1. Did you mean 'rating'?",
        "correct it",
    ),
    "a reference of two columns": (
        lambda: films(foreign_key={"movie_id": ratings()}),
        "whose primary key has 2 columns",
        "one column",
    ),
    "a reference to a name": (lambda: ratings(foreign_key={"movie_id": "films"}), "foreign_key is", "give a dict"),
    "a reference from no column": (lambda: ratings(foreign_key={"film": films()}), "foreign_key: 'film'", "add"),
    "a reference of another type": (
        lambda: ratings(foreign_key={"country": films()}),
        "'country' is string, films.v1's key is int64",
        "use one type",
    ),
    "a key of floats": (lambda: films(contract=FloatKey), "no exact equality", "use int or str"),
    "a key of lists": (lambda: films(contract=ListKey), "no exact equality", "use int or str"),
}


class NoGrain(pa.DataFrameModel):
    user_id: int


class WrongLast(Activity):
    """One row per user and instant of change."""

    wrong_last_all: float


class SumOf(Activity):
    """One row per user and instant of change."""

    share_1d: float


class FloatKey(pa.DataFrameModel):
    """One row per film."""

    movie_id: float


class ListKey(pa.DataFrameModel):
    """One row per film."""

    movie_id: pl.List(pl.Int64)


def source(**more: Any) -> Source:
    return Source(**({"name": "films", "path": "films.csv", "contract": Films} | more))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_with_the_fix(name: str) -> None:
    make, what, next_step = REFUSED[name]
    with pytest.raises(InvalidDeclaration) as refused:
        make()
    assert what in refused.value.what
    assert next_step in refused.value.next_step
    assert refused.value.state == "was not declared"


def test_every_field_of_a_wrong_kind_is_refused_as_an_error_of_ours() -> None:
    strange = [None, 5, "x", b"x", 1.5, [1], {"a": 1}, {1}, (1,), object(), lambda: 1, nw.col("a"), True]
    for field in dataclasses.fields(FeatureGroup):
        for value in strange:
            for make in (ratings, activity):
                try:
                    make(**{field.name: value})
                except AlluviaError as error:
                    assert len(str(error)) < 1_000  # noqa: PT017  # one of many answers


def test_a_declaration_is_a_frozen_value_with_tuples_for_lists() -> None:
    group = ratings(primary_key="user_id", cluster_by=["country"])
    assert group.primary_key == ("user_id",)
    assert group.key == ("user_id", "rated_at")
    assert (group.id, str(group), group.where) == ("ratings_v1", "ratings.v1", "feature group 'ratings' v1")
    assert group.file == __file__
    with pytest.raises(dataclasses.FrozenInstanceError):
        group.version = 2  # type: ignore[misc]  # what must be refused
    assert films().key == ("movie_id",)
    assert activity(foreign_key={}).upstream[0].id == "ratings_v1"


def test_the_message_names_the_file_to_edit() -> None:
    with pytest.raises(InvalidDeclaration, match=re.escape(f"(in {__file__}).")):
        ratings(primary_key=["user"])


def test_a_group_without_contract_waits_for_its_first_frame() -> None:
    group = ratings(contract=None)
    assert group.spec is None
    assert group.file == ""


SOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "a name": ({"name": "Films"}, "does not match"),
    "an unknown ending": ({"path": "films.xlsx"}, "No reader is known for 'films.xlsx'"),
    "a misspelt ending": ({"path": "films.cvs"}, "Did you mean '.csv'?"),
    "no path": ({"path": None}, "path is None"),
    "no contract": ({"contract": None}, "contract is None"),
    "a contract without grain": ({"contract": NoGrain}, "does not say what one row is"),
    "a share above 1": ({"max_shrink": 2}, "max_shrink is 2"),
    "a share as text": ({"max_shrink": "all"}, "max_shrink is 'all'"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_cannot_be_meant_is_refused(name: str) -> None:
    keywords, said = SOURCES[name]
    with pytest.raises(InvalidDeclaration) as refused:
        source(**keywords)
    assert said in refused.value.what


def test_a_source_reads_by_its_ending_or_by_its_own_reader(tmp_path: Path) -> None:
    frame = pl.DataFrame({"movie_id": [1], "title": ["A"]})
    frame.write_csv(tmp_path / "films.csv")
    frame.write_parquet(tmp_path / "films.parquet")
    frame.write_ndjson(tmp_path / "films.jsonl")
    for ending in ("csv", "parquet", "jsonl"):
        made = source(path=f"films.{ending}")
        assert made.reader(made.locate(tmp_path)).lazy().collect().equals(frame)
    assert source(path="films.dat", read=lambda path: frame).reader(tmp_path).lazy().collect().equals(frame)


def test_a_missing_source_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "film.csv").touch()
    with pytest.raises(SourceMissing, match=r"Did you mean 'film.csv'\?"):
        source().locate(tmp_path)
    with pytest.raises(SourceMissing, match="There is no folder"):
        source().locate(tmp_path / "nowhere")
    (tmp_path / "films.csv").mkdir()
    with pytest.raises(SourceMissing):
        source().locate(tmp_path)


@pytest.fixture
def declarations(tmp_path: Path) -> Declarations:
    return Declarations(Metadata(tmp_path))


def test_a_declaration_is_stored_once_however_often_it_is_made(declarations: Declarations) -> None:
    for _ in range(3):
        assert declarations.reconcile(ratings()) is not None
    assert len(declarations.log(ratings())) == 1
    assert declarations.ids() == ["ratings_v1"]
    # Wrong on purpose.
    assert json.loads(json.dumps(declaration_json(ratings(), ratings().spec))).keys() >= set(BREAKING)  # type: ignore[arg-type]


MAY_CHANGE: dict[str, dict[str, Any]] = {
    "description": {"description": "Other words."},
    "owner": {"owner": "ada"},
    "tags": {"tags": {"team": "films"}},
    "deprecated": {"deprecated": "use ratings v2"},
    "policy": {"policy": "quarantine"},
    "max_rejected": {"max_rejected": 0.5},
    "keep": {"keep": "latest"},
    "cluster_by": {"cluster_by": ["user_id"]},
    "online": {"online": True},
    "ttl": {"ttl": DAY},
    "source_delay": {"source_delay": DAY},
    "freshness": {"freshness": DAY},
    "restricted": {"restricted": True},
    "foreign_key": {"foreign_key": {"movie_id": films()}},
}


@pytest.mark.parametrize("name", MAY_CHANGE)
def test_what_may_change_is_recorded_beside_what_was(declarations: Declarations, name: str) -> None:
    declarations.reconcile(ratings())
    declarations.reconcile(ratings(**MAY_CHANGE[name]))
    log = declarations.log(ratings())
    assert len(log) == 2
    assert log[0][name] != log[1][name]
    assert [k for k in log[0] if log[0][k] != log[1][k]] == [name]
    declarations.reconcile(ratings(**MAY_CHANGE[name]))
    assert len(declarations.log(ratings())) == 2


def contract_with(**changes: Any) -> type[pa.DataFrameModel]:
    """The contract with columns changed, added at the end, or (None) left out."""
    annotations = {**Contract.__annotations__, **{k: v[0] for k, v in changes.items() if v}}
    fields = {k: pa.Field(**v[1]) for k, v in changes.items() if v}
    for name in ("user_id", "rating", "maybe_at", "note", "blob", "tags"):
        fields.setdefault(name, pa.Field(nullable=name != "user_id", **({"ge": 1} if name == "user_id" else {})))
    kept = {k: v for k, v in annotations.items() if changes.get(k, "kept") is not None}
    body = {"__doc__": Contract.__doc__, "__annotations__": kept, "__module__": __name__}
    return type("Contract", (pa.DataFrameModel,), {**body, **{k: v for k, v in fields.items() if k in kept}})


def reordered() -> type[pa.DataFrameModel]:
    made = contract_with()
    names = list(made.__annotations__)
    annotations = {n: made.__annotations__[n] for n in [*names[:4], names[5], names[4], *names[6:]]}
    fields = {n: pa.Field(nullable=True) for n in ("rating", "maybe_at", "note", "blob", "tags")}
    return type(
        "Contract", (pa.DataFrameModel,), {"__doc__": Contract.__doc__, "__annotations__": annotations, **fields}
    )


MAY_NOT_CHANGE: dict[str, tuple[Make, str]] = {
    "key": (lambda: ratings(primary_key=["user_id"]), "~ primary_key was ['user_id', 'movie_id'], is ['user_id']"),
    "event time": (lambda: ratings(event_time="seen_at"), "~ event_time was 'rated_at', is 'seen_at'"),
    "static": (lambda: ratings(event_time=None, static=True), "~ static was False, is True"),
    "sequence": (lambda: ratings(sequence="seen_at"), "~ sequence was None, is 'seen_at'"),
    "corrections": (lambda: ratings(corrections="keep"), "~ corrections was 'replace', is 'keep'"),
    "ingestion": (lambda: ratings(ingested_from="seen_at"), "~ ingested_from was None, is 'seen_at'"),
    "partitions": (lambda: ratings(partition_by=["country"]), "~ partition_by was [], is ['country']"),
    "resolution": (lambda: ratings(resolution=DAY), "~ resolution was None, is 86400.0"),
    "decimals": (lambda: ratings(decimals={"rating": 1}), "~ decimals was {}, is {'rating': 1}"),
    "a column gone": (
        lambda: ratings(contract=contract_with(note=None)),
        "- column 'note' (string, may be NULL) is gone",
    ),
    "a type": (
        lambda: ratings(contract=contract_with(rating=(pl.Float32, {"nullable": True}))),
        "~ column 'rating' was float64, may be NULL, is float32, may be NULL",
    ),
    "nullability": (
        lambda: ratings(contract=contract_with(country=(str, {"nullable": True}))),
        "~ column 'country' was string, is string, may be NULL",
    ),
    "a column that must have a value": (
        lambda: ratings(contract=contract_with(stars=(int, {}))),
        "+ column 'stars' (int64) is new",
    ),
    "the order of columns": (lambda: ratings(contract=reordered()), "~ the order of the columns changed"),
}


@pytest.mark.parametrize("name", MAY_NOT_CHANGE)
def test_what_may_not_change_is_refused_with_the_difference(declarations: Declarations, name: str) -> None:
    make, difference = MAY_NOT_CHANGE[name]
    declarations.reconcile(ratings())
    with pytest.raises(DeclarationChanged) as refused:
        declarations.reconcile(make())
    assert difference in refused.value.what.splitlines()
    assert refused.value.next_step == "declare it as version 2, beside the old one."
    assert len(declarations.log(ratings())) == 1
    declarations.reconcile(ratings())


def test_aggregations_may_not_change(declarations: Declarations) -> None:
    declarations.reconcile(activity())
    longer = Aggregation("count", windows=[timedelta(days=7)], name="count")
    declarations.reconcile(activity(aggregations=[longer, MEAN, LAST]))
    with pytest.raises(DeclarationChanged, match="~ aggregations was"):
        declarations.reconcile(activity(aggregations=[COUNT, MEAN]))


def test_columns_that_may_be_null_are_appended_by_a_call_of_their_own(declarations: Declarations) -> None:
    wider = ratings(contract=contract_with(stars=(int, {"nullable": True}), mood=(str, {"nullable": True})))
    declarations.reconcile(ratings())
    with pytest.raises(DeclarationChanged) as refused:
        declarations.reconcile(wider)
    assert "fs.append_features(ratings.v1)" in refused.value.next_step

    table, added = declarations.additions(wider)
    assert [(c.name, c.type, c.nullable) for c in added] == [("stars", "int64", True), ("mood", "string", True)]
    assert table.spec.names == list(Contract.__annotations__)
    assert wider.spec is not None
    declarations.append(wider, wider.spec)
    assert declarations.reconcile(wider) == wider.spec


def test_nothing_else_is_appended(declarations: Declarations) -> None:
    with pytest.raises(DeclarationChanged, match="no stored declaration"):
        declarations.additions(ratings())
    declarations.reconcile(ratings())
    with pytest.raises(DeclarationChanged, match="no column that the stored one has not"):
        declarations.additions(ratings())
    with pytest.raises(DeclarationChanged, match="column 'stars'"):
        declarations.additions(ratings(contract=contract_with(stars=(int, {}))))
    mixed = ratings(contract=contract_with(stars=(int, {"nullable": True})), corrections="keep")
    with pytest.raises(DeclarationChanged, match="corrections"):
        declarations.additions(mixed)


def test_versions_stand_beside_each_other(declarations: Declarations) -> None:
    declarations.reconcile(ratings())
    declarations.reconcile(ratings(version=2, event_time="seen_at"))
    declarations.reconcile(ratings(version=10))
    assert declarations.ids() == ["ratings_v1", "ratings_v10", "ratings_v2"]
    assert declarations.load("ratings", 2)[0].event_time == "seen_at"
    assert declarations.load("ratings", "latest")[0].version == 10


def test_a_group_that_is_not_there_is_named_with_those_that_are(declarations: Declarations) -> None:
    with pytest.raises(UnknownFeatureGroup, match="There is none"):
        declarations.load("ratings", 1)
    declarations.reconcile(ratings())
    with pytest.raises(UnknownFeatureGroup, match=r"Did you mean 'ratings'\?"):
        declarations.load("raitings", 1)
    with pytest.raises(UnknownFeatureGroup, match=r"versions \[1\]"):
        declarations.load("ratings", 3)


def test_a_loaded_group_says_what_was_stored(declarations: Declarations) -> None:
    times = {"ttl": DAY, "freshness": DAY, "source_delay": timedelta(hours=1)}
    given = ratings(**times, tags={"a": "b"}, owner="ada", cluster_by=["user_id"])
    declarations.reconcile(given)
    loaded, spec = declarations.load("ratings", 1)
    assert given.spec is not None
    stored, declared = declaration_json(loaded, spec), declaration_json(given, given.spec)
    assert stored == declared
    assert declarations.reconcile(loaded) is not None
    assert len(declarations.log(given)) == 1, "opening it by name must not forget the checks that stand in code"


def test_a_group_opened_by_name_keeps_the_names_of_its_checks(declarations: Declarations) -> None:
    class Checked(pa.DataFrameModel):
        """One row per film."""

        movie_id: int = pa.Field(ge=1)
        title: str

        @invariant
        def not_blank(cls) -> nw.Expr:
            return nw.col("title") != ""

    declarations.reconcile(films(contract=Checked))
    again = declarations.from_keywords(
        {"name": "films", "version": 1, "description": "Films.", "primary_key": ["movie_id"], "static": True}
    )
    spec = declarations.reconcile(again)
    assert spec is not None
    assert [r.name for r in spec.rules if "greater" in r.name or "blank" in r.name] == [
        "movie_id greater_than_or_equal_to(1)",
        "not_blank",
    ]
    assert len(declarations.log(again)) == 1


def test_hopsworks_keywords_make_a_declaration(declarations: Declarations) -> None:
    made = declarations.from_keywords({"name": "films", "version": 1, "primary_key": ["movie_id"]})
    assert made.static
    assert made.description == "Rows of films."
    timed = declarations.from_keywords({"name": "r", "version": 1, "primary_key": ["a"], "event_time": "at"})
    assert not timed.static


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"name": "films", "version": 1, "primary_key": ["a"], "primary_keys": ["a"]}, "Did you mean 'primary_key'?"),
        ({"name": "films", "version": 1}, "'primary_key' is missing"),
        ({"version": 1, "primary_key": ["a"]}, "'name' is missing"),
        ({"name": "films", "primary_key": ["a"]}, "'version' is missing"),
        ({}, "'name' is missing"),
    ],
)
def test_keywords_that_are_wrong_or_missing_are_named(declarations: Declarations, keywords: Any, said: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        declarations.from_keywords(keywords)
    assert said in refused.value.what


def test_an_inferred_contract_is_kept_and_found_again(declarations: Declarations) -> None:
    group = films(contract=None)
    assert declarations.reconcile(group) is None
    assert declarations.stored_spec(group) is None
    spec = inferred_contract({"movie_id": pl.Int64(), "title": pl.String()}, group.key, group.where)
    declarations.append(group, spec)
    assert declarations.reconcile(group) == spec
    assert declarations.stored_spec(group) == spec
    newest = declarations.newest("films_v1")
    assert newest is not None
    assert ContractSpec.from_json(newest["contract"]).names == ["movie_id", "title"]
