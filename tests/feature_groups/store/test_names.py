from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.names import RESERVED_COLUMNS, RESERVED_WORDS, check_name, check_names

WORDS = "abcxyz_09 AZé.-/\\%`'\"{}()$\n\t;=,:😀\x00"
near_names = st.one_of(
    st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True),
    st.text(WORDS, max_size=70),
    st.text(max_size=5),
    st.sampled_from(sorted(RESERVED_WORDS | RESERVED_COLUMNS)),
)
ODD = [
    "a b",
    "a.b",
    "a,b;c=d",
    "`a`",
    '"a"',
    "a'b",
    "select",
    "user;--",
    "_a",
    "1a",
    "",
    "x" * 64,
    "é",
    "😀",
    "a\n",
    "\n",
]
ODD += [
    "a\x00",
    "(a)",
    "{a}",
    "../up",
    "a/b",
    "a\\b",
    "%2e%2e",
    "A",
    "Rating",
    "a-b",
    ".",
    "..",
    "CON ",
    "ａ",
    "a ",
    "ab\u200b",
]


def allowed(name: str, kind: str) -> bool:
    plain = re.fullmatch("[a-z][a-z0-9_]{0,62}", name) is not None
    return plain and name not in RESERVED_WORDS and not (kind == "column" and name in RESERVED_COLUMNS)


@settings(max_examples=400, deadline=None)
@given(name=near_names, kind=st.sampled_from(["column", "feature group", "source"]))
def test_a_name_is_taken_exactly_when_it_is_a_plain_word_that_nobody_reserves(name: str, kind: str) -> None:
    if allowed(name, kind):
        assert check_name(name, kind=kind, where="it") == name
        assert (Path("/lake") / f"{name}_v1").resolve().parent == Path("/lake")
        return
    with pytest.raises(InvalidDeclaration) as refused:
        check_name(name, kind=kind, where="it")
    suggestion = re.search(r"for example '([^']*)'", refused.value.next_step)
    assert suggestion is not None
    assert allowed(suggestion[1], kind), "the suggestion is refused in turn"


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_an_odd_name_is_refused_in_one_printable_message(name: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        check_name(name, kind="feature group", where="it")
    text = str(refused.value)
    assert len(text) < 400
    assert set(text) - {"\n"} <= {c for c in text if c.isprintable()}


@pytest.mark.parametrize("name", [None, 5, b"ratings", ["ratings"], 1.5, True])
def test_a_name_that_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(InvalidDeclaration, match="not text"):
        check_name(name, kind="column", where="it")


def test_the_longest_name_has_63_characters() -> None:
    assert check_name("a" * 63, kind="column", where="it")
    with pytest.raises(InvalidDeclaration):
        check_name("a" * 64, kind="column", where="it")


def test_the_stores_own_columns_are_refused_as_columns_only() -> None:
    for name in RESERVED_COLUMNS:
        assert check_name(name, kind="feature group", where="it") == name
        with pytest.raises(InvalidDeclaration, match="fills itself"):
            check_name(name, kind="column", where="it")


def test_words_of_sql_are_refused_in_any_place() -> None:
    for word in ("select", "order", "from", "table", "null"):
        for kind in ("column", "feature group", "source"):
            with pytest.raises(InvalidDeclaration, match="reserved word"):
                check_name(word, kind=kind, where="it")


def test_names_are_kept_in_order_and_repeated_ones_refused() -> None:
    assert check_names(["b", "a"], kind="column", where="it") == ("b", "a")
    with pytest.raises(InvalidDeclaration, match=r"\['a'\] are named more than once"):
        check_names(["a", "b", "a"], kind="column", where="it")
