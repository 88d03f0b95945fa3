"""Everything that the pages show runs, from top to bottom, and what they have one add is what they say."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from prefect.client.orchestration import SyncPrefectClient

import landing_files
from commands import check
from documents import PAGES, PROJECT, Block, Reading, blocks, shown_languages
from feature_groups.store import Settings, connect
from film_lake import FilmLake
from models import film_cascade
from small_world import refresh

SERVED = ("docs/scoring.md", "docs/monitoring.md")
"""Pages that need a Prefect server."""


def cases() -> list[object]:
    return [pytest.param(block, id=str(block)) for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("block", cases())
def test_what_a_page_shows_works(
    block: Block, reading: Reading, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    if block.page in SERVED:
        request.getfixturevalue("client")
    if block.kind == "command":
        check(block.text)
    else:
        compile(block.text, block.page, "exec")
    if block.needs:
        pytest.skip(block.needs)
    reading.up_to(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    assert shown_languages(page) <= {"python", "sh", "console", "text"}


@pytest.fixture(scope="module")
def contributed(reading: Reading) -> Mapping[str, Any]:
    """The names that the Python of CONTRIBUTING has made."""
    reading.up_to(blocks(PROJECT / "CONTRIBUTING.md")[-1])
    return reading.namespace("CONTRIBUTING.md")


def test_the_group_that_one_is_shown_to_add_holds_what_was_delivered(
    contributed: Mapping[str, Any], world: FilmLake
) -> None:
    from feature_groups import visit_hours, visits  # type: ignore[attr-defined]  # the page's

    delivered = landing_files.visits()
    hour = pl.col("arrived_at").dt.convert_time_zone("Europe/Berlin").dt.hour().cast(pl.Int64).alias("hour")

    assert_frame_equal(world.rows(visits.v1), delivered, check_row_order=False, check_column_order=False)
    assert_frame_equal(world.rows(visit_hours.v1), delivered.select("user_id", "left_at", hour), check_row_order=False)


def test_the_labels_of_the_view_that_one_is_shown_to_add_are_what_followed(contributed: Mapping[str, Any]) -> None:
    rows: pl.DataFrame = contributed["rows"]
    delivered = landing_files.visits()
    last = delivered["left_at"].max()
    assert last is not None

    for user, asked_at, came_back, spent in rows.select("user_id", "asked_at", "came_back", "spent").rows():
        later = delivered.filter(user_id=user).filter(pl.col("arrived_at") > asked_at).sort("arrived_at").head(1)
        back = later.height == 1 and later["arrived_at"].item() - asked_at <= timedelta(days=7)
        assert came_back == back
        assert spent == (later["spent"].item() if back else 0)
        assert asked_at <= last - timedelta(days=7)  # type: ignore[operator]  # a datetime


def test_the_model_and_the_cascade_that_one_is_shown_to_add_answer(contributed: Mapping[str, Any]) -> None:
    scores, rows = contributed["unseen"].frame, contributed["rows"]
    decided = contributed["cascade"].decide(rows)

    mean = dict(scores.group_by("label").agg(pl.col("oof_score").mean()).iter_rows())
    assert mean[True] > mean[False] + 0.1
    assert set(decided["route"]) == {"passers_by", "regulars"}
    assert decided.filter(route="regulars")["answer"].mean() > decided.filter(route="passers_by")["answer"].mean()


@pytest.mark.slow
def test_the_second_function_for_spark_says_the_same(contributed: Mapping[str, Any], tmp_path: Path) -> None:
    from feature_groups import visit_hours, visits  # type: ignore[attr-defined]  # the page's

    store = connect(tmp_path / "lake", settings=Settings(engine="spark"))
    refresh(store, [visits.v1, visit_hours.v1], landing_files.write(tmp_path))

    made = store.get_or_create_feature_group(visit_hours.v1).read(engine="polars").collect()
    hour = pl.col("arrived_at").dt.convert_time_zone("Europe/Berlin").dt.hour().cast(pl.Int64).alias("hour")
    assert_frame_equal(made, landing_files.visits().select("user_id", "left_at", hour), check_row_order=False)


@pytest.mark.slow
def test_the_flow_that_one_is_shown_to_add_runs(
    contributed: Mapping[str, Any], client: SyncPrefectClient, tmp_path: Path
) -> None:
    from flows.return_visits import return_visits  # the page's

    data = landing_files.write(tmp_path)

    assert return_visits(data=data, lake=tmp_path / "lake") == 1
    assert return_visits(data=data, lake=tmp_path / "lake") == 1, "nothing is new"


def test_the_cascade_of_the_documents_is_the_one_that_is_trained(reading: Reading) -> None:
    reading.up_to(blocks(PROJECT / "docs" / "cascade.md")[0])

    assert reading.namespace("docs/cascade.md")["films"] == film_cascade.v1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, place in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        found = page.parent / target if target else page
        assert found.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), flags=re.MULTILINE)
            assert place in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}, (target, place)


def test_the_picture_of_the_concepts_is_the_one_that_is_drawn() -> None:
    drawn = runpy.run_path(str(PROJECT / "docs" / "pictures" / "concepts.py"))["drawn"]()

    assert (PROJECT / "docs" / "pictures" / "concepts.svg").read_text() == drawn


def test_every_page_is_in_the_index() -> None:
    index = (PROJECT / "docs" / "README.md").read_text()

    for page in (PROJECT / "docs").rglob("*.md"):
        assert page.name == "README.md" or f"({page.relative_to(PROJECT / 'docs')})" in index, page.name
