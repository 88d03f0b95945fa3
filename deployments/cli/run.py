"""`alluvia run` and `alluvia resume`: bring the pipeline up to date, or take up a run that did not succeed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.output import Answer
from deployments.cli.plan import Data, Exclude, Select
from deployments.cli.verb import Shared

if TYPE_CHECKING:
    from deployments.pipeline import Request


class Engine(StrEnum):
    """Which engine computes."""

    auto = "auto"
    polars = "polars"
    spark = "spark"


EngineOption = Annotated[Engine | None, typer.Option(help="Which engine computes; by default ALLUVIA_ENGINE.")]


def run(
    shared: Shared, select: Select = "", exclude: Exclude = "", data: Data = None, engine: EngineOption = None
) -> Answer:
    """Bring groups, datasets, models and predictions up to date; what nothing changed for is skipped."""
    from deployments.pipeline import Request, raw_files
    from feature_groups.store.connect import load_settings

    chosen = engine.value if engine else load_settings().engine
    asked = Request(raw_files(data), shared.lake, chosen, select, exclude)
    return _answer(lambda: asked)


def resume(
    shared: Shared,
    run: Annotated[str, typer.Argument(help="A flow run's name or id, or 'last'.", metavar="RUN")] = "last",
) -> Answer:
    """Take up a run that failed: what failed and what waited on it, with the parameters that the run had."""

    def asked() -> Request:
        from deployments.resume import resumed

        name, request = resumed(run)
        print(f"Taking up {name}.", file=sys.stderr)
        return replace(request, lake=shared.lake) if shared.lake else request

    return _answer(asked)


def _answer(asked: Callable[[], Request]) -> Answer:
    from deployments.run import performed

    ran, shown = performed(asked)
    for error in ran.errors:
        print(f"{error}\n", file=sys.stderr)
    return Answer(ran, shown, 1 if ran.errors else 0)
