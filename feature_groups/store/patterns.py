r"""Regular expressions that mean the same to every engine.

Polars matches with Rust's regex, Spark with Java's. They disagree silently: ``$`` matches before a last newline in
Java only, ``\d``, ``\w`` and ``\s`` know all alphabets in Rust only, ``.`` leaves out more line ends in Java. A
contract's pattern is therefore rewritten into the forms both read alike, in Rust's (and so Pandera's) meaning; what
has no such form is refused.
"""

from __future__ import annotations

import re

import polars as pl

_CIRCLED = r"\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"
_WORD = r"\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{200C}\x{200D}" + _CIRCLED
_SPACE = r"\t\n\x0B\f\r\x{85}\p{Z}"
_CLASSES = {"d": r"\p{Nd}", "w": _WORD, "s": _SPACE}
_CODE_POINT = r"x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]+\}|u[0-9A-Fa-f]{4}"
_AS_IS = re.compile(rf"\\(?:[ntrfaAz]|{_CODE_POINT}|[pP](?:[LMNPSZC]|\{{[A-Z][a-z]?\}}))")
_REPEAT = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_CLASS_OPERATORS = ("&&", "--", "~~")


def portable(pattern: str | re.Pattern[str]) -> str:
    """The pattern in a form that all engines read alike.

    Raises:
        ValueError: There is no such form, or it is no regular expression; says what to write instead.
    """
    if isinstance(pattern, re.Pattern):
        if pattern.flags & ~re.UNICODE:
            raise ValueError("flags of a compiled pattern are not kept; begin the text with (?i) to ignore case")
        pattern = pattern.pattern
    rest = pattern.removeprefix("(?i)")
    made = ["(?iu)" if rest != pattern else ""]
    while rest:
        token = _class(rest) if rest[0] == "[" else _token(rest)
        made.append(token[0])
        rest = token[1]
    text = "".join(made)
    try:
        pl.select(pl.lit("").str.contains(text))
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"it is no regular expression: {str(error).strip().splitlines()[-1][:200]}") from None
    return text


def _token(rest: str) -> tuple[str, str]:
    """The portable form of the first token outside a class, and what follows it."""
    first = rest[0]
    if first == "\\":
        letter = rest[1:2]
        if letter in _CLASSES:
            return f"[{_CLASSES[letter]}]", rest[2:]
        if letter.lower() in _CLASSES and letter:
            return f"[^{_CLASSES[letter.lower()]}]", rest[2:]
        return _escape(rest)
    if rest.startswith("(?") and not rest.startswith("(?:"):
        raise ValueError("of groups with (?...) only (?:...) and a leading (?i) are known to every engine")
    if found := _REPEAT.match(rest):
        after = rest[found.end() :]
        if after[:1] == "+":
            raise ValueError("a + after another repetition means different things; write a group around the first")
        return found[0] + ("?" if after[:1] == "?" else ""), after.removeprefix("?")
    if first == "{":
        raise ValueError("a { that begins no repetition such as {2,3} must be written \\{")
    return {".": r"[^\n]", "$": r"\z", "}": r"\}", "]": r"\]"}.get(first, first), rest[1:]


def _class(rest: str) -> tuple[str, str]:
    """The portable form of a class in brackets, and what follows it."""
    negated = rest.startswith("[^")
    made, rest = ["[^" if negated else "["], rest[2 if negated else 1 :]
    while not rest.startswith("]") or len(made) == 1:
        if not rest:
            raise ValueError("a [ is not closed")
        if rest.startswith(_CLASS_OPERATORS) or rest[0] == "[":
            raise ValueError(f"inside brackets {rest[:2]!r} has a meaning of its own in some engine; escape it")
        if rest[0] == "\\" and rest[1:2] in _CLASSES:
            made.append(_CLASSES[rest[1]])
            rest = rest[2:]
        elif rest[0] == "\\":
            token, rest = _escape(rest)
            made.append(token)
        else:
            made.append(r"\]" if rest[0] == "]" else rest[0])
            rest = rest[1:]
    return "".join([*made, "]"]), rest[1:]


def _escape(rest: str) -> tuple[str, str]:
    if found := _AS_IS.match(rest):
        return re.sub(r"\\u(\w{4})", r"\\x{\1}", found[0]), rest[found.end() :]
    letter = rest[1:2]
    if letter == "v":
        return r"\x0B", rest[2:]
    if not letter or letter.isalnum() or not letter.isascii() or letter in "<>":
        raise ValueError(f"{rest[:2]!r} is not known to every engine")
    return rest[:2], rest[2:]
