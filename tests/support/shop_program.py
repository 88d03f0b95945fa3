"""A small program of many shapes, for tests that edit it and ask which code is reached."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM: Mapping[str, str] = {
    "__init__.py": "",
    "group.py": '''
"""A feature group."""
from __future__ import annotations

import operator
from functools import cache, partial

import narwhals as nw
import pandera.polars as pa

import shop.text.words
from shop import numbers as figures
from shop.marks import LIMIT, Cleaner, traced
from shop.starred import *
from feature_groups.store import invariant
from feature_groups.store.names import check_name

CUT = 5
TABLE = {"a": 1}
TABLE["b"] = 2
TABLE.update(c=3)
if CUT > 3:
    MODE = "wide"
else:
    MODE = "narrow"
UNUSED = 1
clean = Cleaner(strength=3)
double = lambda value: value * 2
many = {"one": lambda value: value + 1, "two": lambda value: value + 2}


def unused():
    return UNUSED


def deepest(value):
    return value - 1


def deeper(value):
    return deepest(value)


def helper(value, cut=CUT):
    """Its docstring."""
    # a comment
    return deeper(value) + cut


@cache
def remembered(value):
    return value * 10


def times(factor):
    def multiply(value):
        return value * factor
    return multiply


def bound(value, days):
    return value * days


triple = times(3)
weekly = partial(bound, days=7)


class Contract(pa.DataFrameModel):
    """One row per thing."""

    value: int = pa.Field(le=figures.HIGHEST, description="A value.")

    @invariant
    def is_even(cls) -> nw.Expr:
        return figures.even(nw.col("value"))


@traced
def transform(raw):
    from shop.late import at_last
    import shop.later as later

    check_name("a", kind="b", where="c")
    helper(1), figures.add(1), shop.text.words.shout("a"), LIMIT, STARS, TABLE, MODE, clean.scrub("a"), double(1)
    many["one"](1), remembered(1), triple(1), weekly(1), at_last(1), later.BOUND, operator.add(1, 2)
    return raw
''',
    "numbers.py": """
HIGHEST = 10

def add(value):
    return value + 1

def even(value):
    return value % 2 == 0

def unused(value):
    return value
""",
    "text/__init__.py": "",
    "text/words.py": """
MARK = "!"

def shout(word):
    return word + MARK
""",
    "marks.py": """
from dataclasses import dataclass
from shop.numbers import HIGHEST as LIMIT

def traced(function):
    def inner(raw):
        return function(raw)
    return inner

@dataclass(frozen=True)
class Cleaner:
    strength: int

    def scrub(self, word):
        return word.strip()
""",
    "starred.py": "STARS = 5\n",
    "late.py": "def at_last(value):\n    return value + 100\n",
    "later.py": "BOUND = 1\n",
}

Load = Callable[[Mapping[str, str]], ModuleType]
"""Writes the package `shop` and imports it anew."""


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    linecache.clearcache()


@contextmanager
def loading(folder: Path) -> Iterator[Load]:
    """Lets the package be imported from a folder, for as long as the block lasts."""

    def loaded(files: Mapping[str, str]) -> ModuleType:
        for name, text in files.items():
            path = folder / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget()
        return importlib.import_module("shop.group")

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield loaded
    forget()
