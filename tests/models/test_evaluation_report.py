"""Evaluation reports and model cards: facts in, and nothing of a hostile name gets out as markup."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.charts import bars, calibration, lines
from models.errors import UnusableFigures
from models.evaluation_report import EvaluationReport, Figure
from models.gates import Evidence, ExposureWithin, judge
from models.model_card import CardText, model_card
from models.release import DatasetUsed, GroupUsed, Reference, Release
from released import registry, release
from reports import report

HOSTILE = '"><script src=http://evil.example/x.js></script><img src=//evil.example onerror=alert(1)>&{}|`[a](http://b)'
VOID = {"meta"}
TAGS = set(
    re.findall(
        r"\w+", "html head meta title style body h1 h2 h3 p code b table tr th td ul li svg text rect path circle"
    )
)


class Page(HTMLParser):
    """Collects tags and attributes, and checks that tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile_release() -> Release:
    h = HOSTILE
    return Release(
        {h: Reference(h, h, "s", 1), "router": Reference("gate", "c", "s", 2)},
        trained_on={h: {"router": "c"}},
        thresholds={h: 0.1},
        groups=(GroupUsed(h, h, 1, h),),
        datasets=(DatasetUsed(h, h, 1, {h: h}, h, 3),),
        code=h,
        made_with={h: h},
        verdict=judge([ExposureWithin(0.2)], Evidence(report())).to_json(),
        metrics={h: 0.5},
        flow_run=h,
        parent=h,
    )


def hostile_report() -> EvaluationReport:
    figures = tuple(replace(f, metric=HOSTILE, segment=HOSTILE) for f in report().figures)
    curve = ({"threshold": 0.1, HOSTILE: 0.5}, {"threshold": 0.2, HOSTILE: 0.4})
    return replace(report(name=HOSTILE), protocol=HOSTILE, window=HOSTILE, figures=figures, curve=curve)


def test_a_report_comes_back_from_json() -> None:
    stored = json.loads(json.dumps(report().to_json(), allow_nan=False))
    assert EvaluationReport.from_json(stored) == report()


def test_a_report_answers_and_prints() -> None:
    made = report()
    figure = made.figure("ndcg@10", than="champion")
    assert figure is not None
    assert figure.low == pytest.approx(0.008)
    assert made.figure("ndcg@10", segment="nobody") is None
    assert made.segments == ("gender=F", "gender=M", "age=<18")
    assert made.metrics.keys() == {"ndcg@10", "auc", "ece", "brier", "exposure", "regret"}
    assert made.frame().height == len(made.figures)
    assert made.frame().filter(segment="age=<18")["than"].to_list() == ["", "champion"]
    assert "ndcg@10 less that of champion" in repr(made)
    assert "restricted items shown to whom they are restricted: 10.0%" in repr(made)
    assert made._repr_html_().count("<svg") == 3
    assert EvaluationReport("t", "p", "w", ()).frame().height == 0


def test_a_figure_that_is_no_number_is_not_reported() -> None:
    with pytest.raises(UnusableFigures, match="Its low is nan"):
        Figure("auc", 0.5, float("nan"))


def test_a_card_holds_the_facts_of_its_release(lake: Path) -> None:
    made = registry(lake)
    first = made.release(release(made, 1))
    chosen = replace(
        release(made, 2, parent=first, ratings=41), report=made.put_report(report().to_json()), metrics=report().metrics
    )
    name = made.release(chosen)
    stored = made.report(made.get(name))
    assert stored is not None
    text = CardText("Films", "Recommending films.", "Age assurance.", "Minors see no restricted film.", "MovieLens")
    page = model_card(made.get(name), EvaluationReport.from_json(stored), text, ancestry=made.ancestry(name))
    for fact in (name, first[:16], "ratings_v1", ">41<", "Minors see no restricted film.", "Licence: MovieLens"):
        assert fact in page
    assert page.count("<svg") == 3
    assert page == model_card(made.get(name), report(), text, ancestry=made.ancestry(name))
    assert "It was not evaluated." in model_card(release(made, 1), None, text)


def test_a_card_of_hostile_names_is_one_harmless_page() -> None:
    text = CardText(*[HOSTILE] * 5)
    page = model_card(hostile_release(), hostile_report(), text, ancestry=[hostile_release()])
    found = Page(page)
    assert found.open == []
    assert set(found.tags) <= TAGS
    assert found.tags.count("svg") == page.count("<svg")
    names = {name for name, _ in found.attributes}
    assert not names & {"src", "href", "srcset", "onerror", "action", "data"}
    assert not any(name.startswith("on") for name in names)
    styles = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL) + [
        v or "" for n, v in found.attributes if n == "style"
    ]
    assert not any(word in style for style in styles for word in ("url(", "@import"))
    assert "default-src 'none'" in page
    plain = model_card(Release({"router": Reference("gate", "c", "s", 2)}), report(), CardText("Films", "Films."))
    assert "//" not in plain


def test_markdown_shows_hostile_names_as_they_are() -> None:
    for text in (
        hostile_report().to_markdown(),
        judge([ExposureWithin(0.2)], Evidence(hostile_report())).to_markdown(),
    ):
        assert "<script" not in text
        assert not re.search(r"(?<!\\)\]\(", text)
    rows = [line for line in hostile_report().to_markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6, 3}


def charts() -> Iterator[str]:
    yield bars("b", [])
    yield bars("b", [("a", -0.5, -0.6, -0.4), ("z", 0.0, None, None)])
    yield calibration("c", [])
    yield calibration("c", [(0.0, 0.0, 1)])
    yield lines("l", "x", {})
    yield lines("l", "x", {"a": [(1.0, 1.0)], "b": []})


NUMBERS = st.floats(-1e6, 1e6)
ROWS = st.lists(st.tuples(st.text(), NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS), max_size=5)


def drawn_inside(picture: str) -> None:
    """It is well-formed, and nothing is drawn outside of it."""
    root = ET.fromstring(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", picture))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for node in root.iter():
        for name, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert -1 <= float(node.attrib.get(name, 0)) <= limit + 1
        assert float(node.attrib.get("width", 0)) <= width
        assert "nan" not in "".join(node.attrib.values())


@pytest.mark.parametrize("picture", list(charts()))
def test_pictures_of_next_to_nothing_are_pictures(picture: str) -> None:
    drawn_inside(picture)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.dictionaries(st.text(), st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5), max_size=3))
def test_pictures_hold_whatever_numbers_and_names(
    rows: list[tuple[str, float, float | None, float | None]], series: dict[str, list[tuple[float, float]]]
) -> None:
    drawn_inside(bars("b", rows))
    drawn_inside(lines("l", "x", series))
