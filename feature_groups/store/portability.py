"""What transforms must not use, because Polars and Spark do it differently without a word, or one not at all.

A transform is written once and runs on both engines. narwhals translates most operations faithfully; these are the
ones it does not, measured on narwhals 2.29, Polars 2.1 and Spark 4.2. What depends on types that the code does not
tell, such as ``concat_str`` of an instant, only a comparison of both engines' rows finds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from feature_groups.store.code_closure import syntax

_UNITS = ("minutes", "seconds", "milliseconds", "microseconds", "nanoseconds")
_DIFFERENT = {
    "str.to_titlecase": "engines disagree on what begins a word; keep the text as it is",
    "dt.weekday": "Sunday is 7 in Polars, 0 on Spark; use (epoch_seconds(...) // 86_400 + 3) % 7 + 1",
    "dt.convert_time_zone": "Spark has no such method; compute in UTC",
    "dt.timestamp": "Spark has no such method; use epoch_seconds(...)",
    **{f"dt.total_{unit}": "Spark has no such method; subtract epoch_seconds(...) of both" for unit in _UNITS},
}
"""Methods by their namespace."""

_ROUND = "halves go to the even neighbour in Polars, away from zero on Spark; use (x + 0.5).floor()"
_SPLIT = "the separator is a regular expression on Spark; replace_all(..., literal=True) it by a letter without meaning"
_FORMAT = "engines write other formats differently; use %Y %m %d %H %M %S and %z only"
_TEXT = "instants and large floats look different; use dt.to_string for instants, concat_str for whole numbers"
_NAN = "0 / 0 is NaN, the largest number on Spark and skipped in Polars; fill_nan(None) before"
_DIRECTIVES = re.compile(r"(?:[^%]|%[YmdHMSz])*")
_TEXT_TYPE = re.compile(r"\b(String|str)\b")
_MAY_BE_NAN = ("log", "sqrt")
_NAN_MATTERS = ("max", "cum_max", "max_horizontal", "rank")


def differences(*functions: object) -> list[str]:
    """The operations of functions, and of the project's code they call, that engines do differently.

    Args:
        functions: Transforms; None is skipped.

    Returns:
        A line each: module, line, operation, and what to use instead. Empty where the source cannot be read.
    """
    roots = [f for f in functions if f is not None]
    packages = {str(getattr(f, "__module__", "")).partition(".")[0] for f in roots}
    trees = syntax(roots, package=min(packages, default=""))
    return list(dict.fromkeys(f"{module}, line {line}: {what}" for module, tree in trees for line, what in found(tree)))


def found(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, operation and alternative) of every such operation in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            problem = _problem(node, node.func)
            if problem:
                yield node.lineno, problem


def _problem(call: ast.Call, method: ast.Attribute) -> str | None:
    name, owner = method.attr, method.value
    space = f"{owner.attr}.{name}" if isinstance(owner, ast.Attribute) else name
    arguments = [*call.args, *(k.value for k in call.keywords)]
    texts = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if space in _DIFFERENT:
        return f"{space}: {_DIFFERENT[space]}"
    if space == "str.split" and not (texts and re.escape(texts[0]) == texts[0]):
        return f"str.split: {_SPLIT}"
    if space == "dt.to_string" and not (texts and _DIRECTIVES.fullmatch(texts[0])):
        return f"dt.to_string: {_FORMAT}"
    if name == "round":
        return f"round: {_ROUND}"
    if name == "cast" and any(_TEXT_TYPE.search(ast.unparse(a)) for a in arguments):
        return f"cast to text: {_TEXT}"
    inner = arguments if name == "max_horizontal" else [owner]
    if name in _NAN_MATTERS and any(map(_may_be_nan, inner)):
        return f"{name} of a quotient: {_NAN}"
    return None


def _may_be_nan(expression: ast.expr) -> bool:
    nodes = list(ast.walk(expression))
    calls = {n.func.attr for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    divides = any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) for n in nodes)
    return "fill_nan" not in calls and (divides or not calls.isdisjoint(_MAY_BE_NAN))
