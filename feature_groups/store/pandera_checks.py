"""Pandera's checks and a contract's invariants as rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import narwhals as nw
import polars as pl

from feature_groups.store.bounds import Bounds, bounds_of
from feature_groups.store.patterns import portable
from feature_groups.store.rules import INVARIANT, MAX_CHARACTERS, Refuse, Rule


def translate(column: str, stored_type: str, check: Any, refuse: Refuse, file: str) -> Rule:
    """A Pandera column check as a rule.

    Raises:
        InvalidDeclaration: The check has no form that runs on every engine.
    """
    given, name = dict(check.statistics or {}), _built_in_name(check)
    values = _listed(check, given)
    shown = ", ".join(_short(v) for v in ([values] if values is not None else given.values()))
    detail = f"{name}({values if values is not None else sorted(given.items())!r})"

    def rule(expression: Callable[[], nw.Expr], bounds: Bounds | None = None) -> Rule:
        return Rule(f"{column} {check.name}({shown})", (column,), expression, detail=detail, bounds=bounds)

    def between(low: Any = None, high: Any = None) -> Bounds | None:
        return None if stored_type == "string" else Bounds(low, high)

    def value() -> nw.Expr:
        return nw.col(column)

    def pattern() -> str:
        try:
            return portable(given["pattern"])
        except ValueError as error:
            what = f"Column {column!r}: the pattern {_short(given['pattern'])} has no form that runs on every engine"
            raise refuse(f"{what}: {error}.", f"write it otherwise in {file}.") from None

    if check.groupby or check.element_wise or check.raise_warning:
        raise refuse(
            f"Column {column!r}: the check {check.name!r} is grouped, element-wise or a warning.",
            f"use a plain check or an @invariant in {file}.",
        )
    if not check.ignore_na:
        raise refuse(
            f"Column {column!r}: the check {check.name!r} sets ignore_na=False.",
            f"leave it out; nullable= says whether NULL is allowed, in {file}.",
        )
    if values is not None and any(v is None or v != v for v in values):
        raise refuse(
            f"Column {column!r}: the check {check.name!r} lists NULL or NaN.",
            f"leave it out; nullable= says whether NULL is allowed, in {file}.",
        )
    match name:
        case "greater_than_or_equal_to":
            return rule(lambda: value() < given["min_value"], between(low=given["min_value"]))
        case "greater_than":
            return rule(lambda: value() <= given["min_value"], between(low=given["min_value"]))
        case "less_than_or_equal_to":
            return rule(lambda: value() > given["max_value"], between(high=given["max_value"]))
        case "less_than":
            return rule(lambda: value() >= given["max_value"], between(high=given["max_value"]))
        case "in_range":
            low, high = given["min_value"], given["max_value"]
            return rule(
                lambda: (
                    ~(
                        (value() >= low if given["include_min"] else value() > low)
                        & (value() <= high if given["include_max"] else value() < high)
                    )
                ),
                between(low, high),
            )
        case "equal_to":
            return rule(lambda: value() != given["value"], bounds_of([given["value"]]))
        case "not_equal_to":
            return rule(lambda: value() == given["value"])
        case "isin":
            return rule(lambda: ~value().is_in(values), bounds_of(values or ()))
        case "notin":
            return rule(lambda: value().is_in(values))
        case "str_matches":
            anchored = f"^(?:{pattern()})"
            return rule(lambda: ~value().str.contains(anchored))
        case "str_contains":
            found = pattern()
            return rule(lambda: ~value().str.contains(found))
        case "str_startswith":
            return rule(lambda: ~value().str.starts_with(given["string"]))
        case "str_endswith":
            return rule(lambda: ~value().str.ends_with(given["string"]))
        case "str_length":
            low, high = given.get("min_value"), given.get("max_value")
            exact = given.get("exact_value")
            low, high = (exact, exact) if exact is not None else (low, high)

            def length() -> nw.Expr:
                return value().list.len() if stored_type.startswith("list<") else value().str.len_chars()

            return rule(
                lambda: nw.any_horizontal(
                    length() < (low if low is not None else 0),
                    length() > (high if high is not None else MAX_CHARACTERS),
                    ignore_nulls=True,
                ),
                Bounds(low, high),
            )
    raise refuse(
        f"Column {column!r}: the check {check.name!r} has no form that runs on every engine.",
        f"use Pandera's built-in checks (ge, le, in_range, isin, str_matches, ...) or an @invariant in {file}.",
    )


def _built_in_name(check: Any) -> str:
    """Pandera's name of a built-in check, whatever the user calls it; empty for one of the user's own."""
    function = check._check_fn
    name = str(getattr(function, "__name__", ""))
    return name if type(function) is type(type(check).CHECK_FUNCTION_REGISTRY.get(name)) else ""


def _listed(check: Any, given: dict[str, Any]) -> list[Any] | None:
    """The values of an isin or notin: as written, or sorted when they were given without order or only once."""
    for field_name in ("allowed_values", "forbidden_values"):
        if field_name in given:
            written = given[field_name]
            return (
                list(written)
                if isinstance(written, (list, tuple))
                else sorted(check._check_kwargs[field_name], key=repr)
            )
    return None


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def invariant_of(model: type[Any], name: str) -> Callable[[Any], nw.Expr] | None:
    """The expression behind a frame-level check, or None when it is not an `invariant`."""
    for member in vars(model).values() if name not in vars(model) else [vars(model)[name]]:
        function = getattr(member, "__func__", member)
        expression = getattr(function, INVARIANT, None)
        if expression is not None and expression.__name__ == name:
            return cast("Callable[[Any], nw.Expr]", expression)
    inherited = getattr(getattr(model, name, None), "__func__", None)
    return cast("Callable[[Any], nw.Expr] | None", getattr(inherited, INVARIANT, None))


def invariant_rule(
    model: type[Any], name: str, expression: Callable[[Any], nw.Expr], known: set[str], refuse: Refuse
) -> Rule:
    """An `invariant` as a rule; the columns it names in its source are the samples shown.

    Raises:
        InvalidDeclaration: It does not return a narwhals expression.
    """
    try:
        made = expression(model)
    except Exception as error:
        raise refuse(f"The invariant {name!r} cannot be built: {error}", "return a narwhals expression.") from error
    if not isinstance(made, nw.Expr):
        raise refuse(
            f"The invariant {name!r} returns a {type(made).__name__}, not a narwhals expression.",
            "return an expression such as nw.col('a') <= nw.col('b').",
        )
    source = _source(expression)
    columns = tuple(c for c in sorted(known) if f"'{c}'" in source or f'"{c}"' in source)
    return Rule(name, columns, lambda: ~expression(model), detail=source)


def _source(function: Callable[..., Any]) -> str:
    """The function's text; its code and constants where there is no file, as in a notebook's first cell."""
    try:
        return inspect.getsource(function)
    except OSError:
        code = function.__code__
        return f"{code.co_code.hex()} {code.co_names!r} {code.co_consts!r}"


def prove(rule: Rule, empty: pl.DataFrame, refuse: Refuse, file: str) -> None:
    """Run a rule on a frame without rows, so that one that cannot run is found when it is declared.

    Raises:
        InvalidDeclaration: The rule names an unknown column, does not fit a column's type, or is no condition.
    """
    try:
        made = nw.from_native(empty.lazy()).select(rule.fails().alias("fails")).collect("polars")
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise refuse(f"The check {rule.name!r} cannot run: {reason}.", f"correct it in {file}.") from error
    if made.schema["fails"] != nw.Boolean:
        what = f"The check {rule.name!r} gives {made.schema['fails']}, neither true nor false"
        raise refuse(f"{what}.", f"compare values in it, in {file}.")
    if len(made):
        raise refuse(f"The check {rule.name!r} is about all rows at once.", f"state it for every row, in {file}.")
