"""Releases and what is collected of them, as notebooks show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from released import registry, release


def test_a_release_shows_whether_it_passed_its_figures_and_what_it_was_made_from(lake: Path) -> None:
    made = release(registry(lake), 1, ratings=8)

    page = replace(made, metrics={"ndcg@10": 0.25, "<auc>": 0.5})._repr_html_()

    assert "blessed" in page
    assert "<td>ndcg@10</td><td>0.25</td>" in page
    assert "<td>&lt;auc&gt;</td><td>0.5</td>" in page
    assert "<td>ratings_v1</td><td>8</td>" in page
    assert "router" in page


def test_a_release_that_nobody_judged_says_so(lake: Path) -> None:
    made = release(registry(lake), 1)

    assert "not judged" in replace(made, verdict={})._repr_html_()
    assert "refused" in release(registry(lake), 1, blessed=False)._repr_html_()


def test_a_collection_shows_what_stays_and_why(lake: Path) -> None:
    made = registry(lake)
    made.promote(made.release(release(made, 1)))

    page = made.collect(younger=timedelta(0), dry_run=True)._repr_html_()

    assert "<td>champion</td>" in page
    assert "would remove" in page
