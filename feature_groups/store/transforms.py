"""A group's own functions, called so that what they do wrong is told as an error of the declaration."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from feature_groups.store.engine import Frame
from feature_groups.store.errors import InvalidDeclaration
from feature_groups.store.feature_group import FeatureGroup, Transform
from feature_groups.store.portability import differences

_SHOWN = 10


def transformed(group: FeatureGroup, *frames: Frame) -> Frame:
    """The group's transform of frames, Spark's own one where it is declared and the frames are Spark's."""
    on_spark = frames[0].implementation.is_spark_like()
    function = group.spark_transform if on_spark and group.spark_transform else group.transform
    return frames[0] if function is None else called(group, "transform", function, *frames)


def called(group: FeatureGroup, what: str, function: Transform, *frames: Frame) -> Frame:
    """A function of lazy frames to a lazy frame.

    Raises:
        InvalidDeclaration: It fails, returns something else, or would give other rows on Spark than in Polars.
    """
    if frames[0].implementation.is_spark_like() and function is not group.spark_transform:
        _refuse_different(group, what, function)
    try:
        made = function(*frames)
    except Exception as error:
        private = is_private(group)
        raise InvalidDeclaration(
            group.where,
            what=f"Its {what} failed: {quoted(error, private=private)}",
            state="was not changed",
            next_step=f"correct {_place(function)}.",
        ) from (None if private else error)
    if not isinstance(made, nw.LazyFrame):
        raise InvalidDeclaration(
            group.where,
            what=f"Its {what} returns a {type(made).__name__}, not a lazy narwhals frame.",
            state="was not changed",
            next_step=f"return a LazyFrame from {_place(function)}.",
        )
    return made


def _refuse_different(group: FeatureGroup, what: str, function: Transform) -> None:
    found = differences(function)
    if found:
        told = "\n".join(f"- {line}" for line in found[:_SHOWN])
        other = "" if what == "derive" else " or give spark_transform=, the same function for Spark"
        raise InvalidDeclaration(
            group.where,
            what=f"Its {what} uses what Polars and Spark do differently:\n{told}",
            state="was not changed",
            next_step=f"write it as told{other}.",
        )


def is_private(group: FeatureGroup) -> bool:
    """Whether its rows, or those it is made from, hold personal data."""
    specs = [g.spec for g in (group, *group.parents)] + ([group.source.spec] if group.source else [])
    return any(spec.pii for spec in specs if spec is not None)


def _place(function: Any) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def quoted(error: BaseException, *, private: bool) -> str:
    """An error in a line; only its kind where the data is personal, since it may quote values."""
    text = "not quoted, for the data is personal" if private else (str(error).strip().splitlines() or [""])[0][:300]
    return f"{type(error).__name__}: {text}"
