"""What is shown in a notebook says what it was given, whatever characters that has."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store import FeatureStore
from feature_groups.store.errors import InvalidSettings
from feature_groups.store.html_table import html_facts, html_table
from shop import minors
from visits import visits

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'/"), max_size=12)


class Shown(HTMLParser):
    """The cells of a table as a browser reads them, row by row, and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._open = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif self.rows and tag in ("th", "td"):
            self.rows[-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data


@settings(max_examples=100)
@given(head=st.lists(TEXTS, min_size=1, max_size=3), data=st.data())
def test_a_table_shows_every_cell_as_it_is(head: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(TEXTS, min_size=len(head), max_size=len(head)), max_size=3))

    shown = Shown(html_table(head, rows))

    assert shown.rows == [head, *rows]
    assert shown.tags <= {"table", "tr", "th", "td"}


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=3))
def test_facts_are_shown_as_they_are(facts: list[tuple[str, str]]) -> None:
    assert Shown(html_facts(facts)).rows == [list(fact) for fact in facts]


def test_a_declaration_shows_its_grain_and_columns_before_any_lake_has_it() -> None:
    group = Shown(visits(description="<b>Visits</b>")._repr_html_())
    view = Shown(minors(description="<b>Who?</b>")._repr_html_())

    assert ["one row", "One row per user and visit."] in group.rows
    assert "score" in [row[0] for row in group.rows]
    assert ["owner", "trust"] in view.rows
    assert "datasets" not in [row[0] for row in view.rows]
    assert "b" not in group.tags | view.tags


def test_a_declaration_without_a_contract_waits_for_its_first_frame() -> None:
    assert ["state", "waits for a first frame"] in Shown(visits(contract=None)._repr_html_()).rows


def test_an_error_that_was_kept_shows_what_to_do_next() -> None:
    error = InvalidSettings("lake 'x'", what="<script>", state="was not opened", next_step="give a folder.")

    shown = Shown(error._repr_html_())

    assert ["next_step", "give a folder."] in shown.rows
    assert ["what", "<script>"] in shown.rows


def test_a_store_shows_its_feature_groups(light_store: FeatureStore) -> None:
    light_store.get_or_create_feature_group(visits(description="Visits & more."))

    shown = Shown(light_store._repr_html_())

    assert shown.rows[1][0] == "visits"
    assert shown.rows[1][-1] == "Visits & more."
    assert "visits" in repr(light_store)
