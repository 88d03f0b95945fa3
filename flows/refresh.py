"""Refresh: every feature group up to date, in dependency order, with a reason for each."""

from __future__ import annotations

import logging
import shlex
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from feature_groups.store import FeatureGroup, FeatureStore, connect, stop_session
from feature_groups.store.connect import load_settings
from feature_groups.store.discovery import discover
from feature_groups.store.errors import AlluviaError, StepFailed
from feature_groups.store.settings import EngineChoice
from feature_groups.store.steps import Decision, Steps
from feature_groups.store.transforms import quoted
from models.film_parameters import FilmParameters
from models.film_pipeline import chosen, plan
from tasks.artifacts import Progress, publish_plan, publish_summary
from tasks.materialize import materialize, skip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refreshed:
    """What became of one feature group.

    Attributes:
        group: ``<name>_v<version>``.
        outcome: ``run``, ``skipped``, ``failed`` or ``blocked``.
        version: Delta version now, None when there is none.
        rows: Rows of the table now.
        new: Rows inserted.
        changed: Rows updated or deleted.
        rejected: Rows set aside.
        seconds: Wall time of the step.
        why: The reasons, or the error in a line.
        error: The whole error.
    """

    group: str
    outcome: str
    version: int | None = None
    rows: int = 0
    new: int = 0
    changed: int = 0
    rejected: int = 0
    seconds: float = 0.0
    why: str = ""
    error: str = ""


def _run_name() -> str:
    return f"refresh {flow_run.parameters.get('select') or 'everything'}"


@flow(flow_run_name=_run_name)
def refresh(
    data: Path | None = None,
    lake: Path | None = None,
    engine: EngineChoice = "auto",
    select: str = "",
    exclude: str = "",
    package: str = "feature_groups",
    parameters: FilmParameters | None = None,
) -> list[Refreshed]:
    """Bring every feature group up to date, in dependency order; run what changed, skip the rest.

    It begins by leaving the plan of the whole run, training and scoring included, in the dashboard.

    Args:
        data: Folder of the raw files; by default the one in the settings.
        lake: Folder of the lake; by default the one in the settings.
        engine: Which engine computes: ``auto`` decides by size.
        select: Which groups to refresh, see `feature_groups.store.selection`; all of them when empty.
        exclude: Which groups to leave out.
        package: Package whose modules declare the groups.
        parameters: What the run's training will train, for the plan; by default what the declarations say.

    Raises:
        NoSuchStep: A selection names a step that is none.
        StepFailed: A step failed; the others were brought up to date as far as they do not depend on it.
    """
    settings = load_settings()
    data = data or settings.data
    settings = settings.model_copy(update={"engine": engine})
    store = connect(lake, settings=settings)
    wanted = chosen(("group",), select, exclude, package)
    groups = [group for group in discover(package) if group.id in wanted]
    looking = connect(lake, settings=settings, look_only=True)
    run = _Run(Steps(store), store, data, _replay(data, lake, engine))
    progress = Progress(len(groups), "refresh", "Feature groups refreshed")
    try:
        planned = plan(
            looking,
            data,
            wanted=select,
            unwanted=exclude,
            package=package,
            parameters=parameters,
            # Spark starts while the rest is planned.
            on_work=store.writer.prepare,
        )
        publish_plan(planned)
        for group in groups:
            run.bring_up_to_date(group, progress)
    finally:
        stop_session()
        publish_summary([asdict(replace(done, error="")) for done in run.done])
    if run.failures:
        run.failures[0].done = run.done
        raise run.failures[0]
    return run.done


@dataclass
class _Run:
    """One run of the flow: what it works on, and what became of each group so far."""

    steps: Steps
    store: FeatureStore
    data: Path | None
    replay: str
    done: list[Refreshed] = field(default_factory=list)
    failures: list[StepFailed] = field(default_factory=list)

    def bring_up_to_date(self, group: FeatureGroup, progress: Progress) -> None:
        """Decide, then materialize or skip; a failure is kept for the end of the flow."""
        started = time.monotonic()
        done = self._step(group, progress)
        if done.outcome in ("run", "failed"):
            done = replace(done, seconds=round(time.monotonic() - started, 2))
        self.done.append(done)
        progress.advance(len(self.done))

    def _step(self, group: FeatureGroup, progress: Progress) -> Refreshed:
        stopped = {d.group for d in self.done if d.outcome in ("failed", "blocked")}
        if waiting := list(dict.fromkeys(u.id for u in group.upstream if u.id in stopped)):
            return Refreshed(group.id, "blocked", why=f"waits for {', '.join(waiting)}")
        try:
            decision = self.steps.decide(group, self.data)
        except Exception as error:
            return self._failed(group, None, error)
        if not decision.run:
            skip(group, decision.why)
            output, rows = decision.previous["output"], decision.previous["receipt"]["table_rows"]
            return Refreshed(group.id, "skipped", output["version"], rows, why=decision.why)
        log.info("%s: %s", group, decision.why)
        progress.start(len(self.done))
        result = materialize(self.store, group, decision, self.data, return_state=True).result(raise_on_failure=False)
        if isinstance(result, BaseException):
            return self._failed(group, decision, result)
        changed = result["updated"] + result["deleted"]
        numbers = (result["version"], result["table_rows"], result["inserted"], changed, result["rejected"])
        return Refreshed(group.id, "run", *numbers, why=decision.why)

    def _failed(self, group: FeatureGroup, decision: Decision | None, error: BaseException) -> Refreshed:
        consumed = [
            f"{name} (v{found['version']})" if "version" in found else f"{name} ({found['content'][:12]})"
            for name, found in (decision.inputs if decision else {}).items()
        ]
        private = bool(group.spec and group.spec.pii)
        what = line = quoted(error, private=private)
        if isinstance(error, AlluviaError):
            what, line = str(error), f"{error.code} {error.title}: {error.what}".splitlines()[0].rstrip(":")
        failed = StepFailed(
            f"step {group.id}",
            what=f"Inputs: {', '.join(consumed) or 'none read'}.\n{what}",
            state="failed; the steps that do not need it were run",
            next_step=f"correct that, then run just this step again: make run SELECT={group.id}{self.replay}",
        )
        failed.__cause__ = error
        self.failures.append(failed)
        return Refreshed(group.id, "failed", why=line, error=str(failed))


def _replay(data: Path | None, lake: Path | None, engine: EngineChoice) -> str:
    """The arguments that repeat this run's own."""
    given = {"DATA": data, "LAKE": lake, "ENGINE": None if engine == "auto" else engine}
    return "".join(f" {name}={shlex.quote(str(value))}" for name, value in given.items() if value is not None)
