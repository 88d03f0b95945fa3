"""`make compare`: train variants of the example's models side by side and show one table of what came of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from deployments.progress import progress_shown
from deployments.server import ensure_server, use_server
from feature_groups.store.connect import load_settings
from feature_groups.store.errors import AlluviaError, InvalidSettings

os.environ.setdefault("DO_NOT_TRACK", "1")
_SHOWN = ("release", "blessed", "ndcg@10", "exposure", "router auc", "ece", "reasons")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 when every variant was judged."""
    parser = argparse.ArgumentParser(prog="python -m deployments.compare", description=__doc__)
    parser.add_argument(
        "variants", nargs="*", metavar="NAME=VALUE[,NAME=VALUE]", help="a variant: parameters as JSON, e.g. miss_cost=3"
    )
    parser.add_argument("--lake", type=Path, help="folder of the lake; make run filled it")
    given = parser.parse_args(arguments)
    try:
        with progress_shown(), use_server(ensure_server(load_settings().home)):
            from flows.comparison import comparison
            from models.film_parameters import FilmParameters

            variants = [FilmParameters(), *(FilmParameters(**_parsed(text)) for text in given.variants)]
            table = comparison(variants, lake=given.lake.resolve() if given.lake else None)
    except ValidationError as error:
        print(_refused(error), file=sys.stderr)
        return 1
    except AlluviaError as error:
        print(error, file=sys.stderr)
        return 1
    changed = [name for name in table.columns if name.startswith("with_")]
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, fmt_str_lengths=60, tbl_hide_dataframe_shape=True):
        print(
            table.select(*changed, *(name for name in _SHOWN if name in table.columns)).with_columns(
                pl.col("release").str.head(12)
            )
        )
    return 0


def _parsed(text: str) -> dict[str, Any]:
    """``a=1,b=[2,3]`` as a mapping; the values are JSON, commas within brackets are theirs."""
    found: dict[str, Any] = {}
    rest = text
    while rest:
        name, _, rest = rest.partition("=")
        try:
            value, end = json.JSONDecoder().raw_decode(rest)
        except json.JSONDecodeError:
            raise _no_variant(text, f"What follows {name!r} is no JSON value.") from None
        found[name] = value
        rest = rest[end:].removeprefix(",")
    return found


def _no_variant(text: str, what: str) -> InvalidSettings:
    return InvalidSettings(
        f"variant {text!r:.100}",
        what=what,
        state="was not trained",
        next_step="give NAME=VALUE pairs, e.g. penalties=[100,500],miss_cost=3.",
    )


def _refused(error: ValidationError) -> InvalidSettings:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    return _no_variant(name, f"{first['msg']} (models/film_parameters.py lists every parameter).")


if __name__ == "__main__":
    sys.exit(main())
