"""`make compare`: train variants of the example's models side by side and show one table of what came of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from deployments.command import ended, folder, served
from deployments.variants import variant

_SHOWN = ("release", "blessed", "ndcg@10", "exposure", "router auc", "ece", "reasons")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 when every variant was judged."""
    parser = argparse.ArgumentParser(prog="python -m deployments.compare", description=__doc__)
    parser.add_argument(
        "variants", nargs="*", metavar="NAME=VALUE[,NAME=VALUE]", help="a variant: parameters as JSON, e.g. miss_cost=3"
    )
    parser.add_argument("--lake", type=Path, help="folder of the lake; make run filled it")
    return ended(lambda: _compare(parser.parse_args(arguments)))


def _compare(given: argparse.Namespace) -> int:
    # The variant that is declared comes first; a misspelt one is told before a server is started.
    variants = [variant(text) for text in ("", *given.variants)]
    with served():
        from flows.comparison import comparison

        table = comparison(variants, lake=folder(given.lake))
    changed = [name for name in table.columns if name.startswith("with_")]
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, fmt_str_lengths=60, tbl_hide_dataframe_shape=True):
        print(
            table.select(*changed, *(name for name in _SHOWN if name in table.columns)).with_columns(
                pl.col("release").str.head(12)
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
