"""The flows one after the other: refresh, training, scoring; those of which a selection chooses a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_groups.store.connect import connect, load_settings, session_kept
from feature_groups.store.errors import AlluviaError, SourceMissing, StepFailed
from feature_groups.store.settings import EngineChoice

if TYPE_CHECKING:
    from flows.refresh import Refreshed
    from flows.scoring import Scored
    from flows.training import Trained

GENERATED_EVENTS, GENERATED_USERS = 40_000, 1_000
FLOWS: Mapping[str, tuple[str, ...]] = {
    "refresh": ("group",),
    "training": ("dataset", "training"),
    "scoring": ("scoring",),
}
"""The flows in their order, and the kinds of steps that each does."""


@dataclass(frozen=True)
class Request:
    """What a run is asked for.

    Attributes:
        data: Folder of the raw files, absolute.
        lake: Folder of the lake, absolute; None for the one in the settings.
        engine: Which engine computes.
        select: Which steps to do, see `feature_groups.store.selection`; all of them when empty.
        exclude: Which steps to leave out.
        first: The flow to begin with.
        more: Further arguments by flow, such as the training's ``parameters``.
    """

    data: Path | None = None
    lake: Path | None = None
    engine: EngineChoice = "auto"
    select: str = ""
    exclude: str = ""
    first: str = "refresh"
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def given(self, flow: str) -> dict[str, Any]:
        """The arguments of a flow that all flows have, and its own."""
        shared = {"lake": self.lake, "engine": self.engine, "select": self.select, "exclude": self.exclude}
        return {**shared, **self.more.get(flow, {})}


@dataclass
class Ran:
    """What became of a run.

    Attributes:
        refreshed: Per feature group; None where none was chosen.
        trained: What became of the training, None where it was not reached or not chosen.
        scored: Likewise of the scoring.
        errors: What stopped it, whole; empty after success.
        imports: Seconds of imports.
        work: Seconds of work.
    """

    refreshed: Sequence[Refreshed] | None = None
    trained: Trained | None = None
    scored: Scored | None = None
    errors: list[str] = field(default_factory=list)
    imports: float = 0.0
    work: float = 0.0


def run_pipeline(asked: Request) -> Ran:
    """Run the flows against the server that is configured, the others only after the refresh succeeded.

    A release must serve before anything is scored; one that does scores everybody also where nothing could be trained.

    Raises:
        NoSuchStep: A selection names a step that is none.
    """
    begun = time.monotonic()
    from feature_groups.store.selection import select
    from flows.refresh import refresh
    from flows.scoring import scoring
    from flows.training import training
    from models.film_pipeline import nodes

    ran, imported = Ran(imports=time.monotonic() - begun), time.monotonic()
    variant = asked.more.get("training", {}).get("parameters")
    kinds = {node.kind for node in select(nodes(parameters=variant), asked.select, asked.exclude)}
    reached = list(FLOWS)[list(FLOWS).index(asked.first) :]
    wanted = [name for name in reached if kinds & set(FLOWS[name])]
    with session_kept():
        if "refresh" in wanted:
            given = {"data": asked.data, "parameters": variant, **asked.given("refresh")}
            ran.refreshed, failed = _refreshed(refresh, given)
            ran.errors += failed
        if not ran.errors:
            after_refresh(ran, wanted, asked, {"training": training, "scoring": scoring})
    ran.work = time.monotonic() - imported
    return ran


def after_refresh(ran: Ran, wanted: Sequence[str], asked: Request, flows: Mapping[str, Callable[..., Any]]) -> None:
    """Train and score, as far as that is wanted; what stops the training does not keep the champion from scoring.

    Args:
        ran: Takes what became of it.
        wanted: Names of the flows that are.
        asked: What the run is asked for.
        flows: The two flows by name.
    """
    from models.film_names import NAME
    from models.registry import Registry

    if "training" in wanted:
        ran.trained, failed = _attempted(flows["training"], asked.given("training"))
        ran.errors += failed
        if Registry(connect(asked.lake), NAME).state().champion is None:
            return
    if "scoring" in wanted:
        ran.scored, failed = _attempted(flows["scoring"], asked.given("scoring"))
        ran.errors += failed


def raw_files(given: Path | None, *, make: bool = True) -> Path:
    """The folder of the raw files; the one in the settings, or else generated ones, where none is given.

    Args:
        given: As it was typed.
        make: Whether they are generated where they are not there yet.

    Raises:
        SourceMissing: There is no such folder.
    """
    given = given or load_settings().data
    if given is None:
        from feature_groups.sources.generator import generate

        made = load_settings().home.resolve() / "data" / "generated"
        if make:
            generate(made, events=GENERATED_EVENTS, users=GENERATED_USERS)
        return made
    found = given.expanduser().resolve()
    if not found.is_dir():
        raise SourceMissing(
            f"data folder {str(given)!r}",
            what="There is no such folder.",
            state="was not read; the lake is as it was",
            next_step="give the folder with ratings.dat, users.dat and movies.dat; without DATA it is generated.",
        )
    return found


def _refreshed(flow: Any, given: Mapping[str, Any]) -> tuple[Sequence[Refreshed], list[str]]:
    """What became of each group, and every error; other steps than the failed ones were done."""
    result = flow(**given, return_state=True).result(raise_on_failure=False)
    if isinstance(result, StepFailed):
        return result.done, [one.error for one in result.done if one.error]
    if isinstance(result, BaseException):
        raise result
    return result, []


def _attempted(flow: Any, given: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """What became of a flow that follows another; what stops it does not hide what was done before."""
    try:
        return flow(**given), []
    except AlluviaError as error:
        return None, [str(error)]
