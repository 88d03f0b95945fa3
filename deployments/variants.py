"""Variants of a training as a person types them: ``miss_cost=3,penalties=[100,500]``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from feature_groups.store.errors import InvalidSettings, did_you_mean

if TYPE_CHECKING:
    from models.film_parameters import FilmParameters


def variant(text: str) -> FilmParameters:
    """The parameters that a text says, all others as declared.

    Args:
        text: ``NAME=VALUE`` pairs with commas between; the values are JSON, commas within brackets are theirs.

    Raises:
        InvalidSettings: It says no pairs, a name is none of a parameter, or a value cannot be one's.
    """
    from models.film_parameters import FilmParameters

    given = _parsed(text)
    for name in given:
        if name not in FilmParameters.model_fields:
            meant = did_you_mean(name, FilmParameters.model_fields)
            raise _refused(text, f"There is no parameter {name[:80]!r}. {meant}")
    try:
        return FilmParameters(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _refused(text, f"{where}: {first['msg']} (models/film_parameters.py lists every parameter).") from None


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rest = text
    while rest:
        name, _, rest = rest.partition("=")
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except json.JSONDecodeError:
            raise _refused(text, f"What follows {name[:80]!r} is no JSON value.") from None
        if name in found:
            raise _refused(text, f"{name!r} stands twice.")
        found[name] = value
        rest = rest[end:]
        if rest and not rest.startswith(","):
            raise _refused(text, f"What follows {name}={json.dumps(value)[:80]} is no comma: {rest[:80]!r}.")
        rest = rest.removeprefix(",")
    return found


def _refused(text: str, what: str) -> InvalidSettings:
    return InvalidSettings(
        f"variant {text!r:.100}",
        what=what,
        state="was not trained",
        next_step="give NAME=VALUE pairs, e.g. penalties=[100,500],miss_cost=3.",
    )
