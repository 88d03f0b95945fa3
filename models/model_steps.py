"""Steps that make models: each records what it depended on and what came of it, and is skipped while that holds.

The counterpart of `feature_groups.store.steps`, whose outputs are tables: here an output is a value, such as the
reference of a member in the registry. So a step whose inputs have the content they had is skipped, and one that
makes again what it made before stops the wave: what depends on it sees the same content.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from feature_groups.store.code_closure import closure
from feature_groups.store.digest import digest
from feature_groups.store.faults import faultpoint
from feature_groups.store.metadata import Metadata
from feature_groups.store.revision import REVISION
from feature_groups.store.step_changes import changes, contents, lock_hash
from feature_groups.store.step_errors import StepNotReady
from models.parts import Json

log = logging.getLogger(__name__)

Gone = Callable[[Mapping[str, Any]], Iterable[str]]
"""Says what of an output is not there any more, one line each."""


@dataclass(frozen=True)
class Stage:
    """One step of a training, as it is declared.

    Attributes:
        name: Within the training, for example ``router``.
        code: The functions and classes that do its work; all project code they reach counts.
        parameters: What it is asked for, as plain values by name.
        inputs: What it consumes by name: ``content`` and, where there is one, ``version``.
        work: Does it, and returns what came of it as plain values.
    """

    name: str
    code: tuple[object, ...]
    parameters: Mapping[str, Json]
    inputs: Mapping[str, Mapping[str, Any]]
    work: Callable[[], dict[str, Any]] = field(repr=False)


@dataclass(frozen=True)
class ModelStep:
    """A step as it stands: whether it must run, and why.

    Attributes:
        name: Of the step, for example ``training/router``.
        run: Whether it must run.
        reasons: Why, one line each.
        parts: Hashes of the code it reaches, its parameters, the lock and the store's revision.
        inputs: What it consumes by name: ``content``, and ``version`` where there is one.
        output: What it made when it last ran; empty before the first run.
    """

    name: str
    run: bool
    reasons: tuple[str, ...]
    parts: Mapping[str, Any] = field(repr=False)
    inputs: Mapping[str, Any] = field(repr=False)
    output: Mapping[str, Any] = field(repr=False)

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)

    @property
    def fingerprint(self) -> str:
        """sha256 of everything the result depends on: the key under which it is made once."""
        return digest({"step": self.name, "parts": self.parts, "inputs": contents(self.inputs)})


class ModelSteps:
    """Decides about and records the steps of one kind of training.

    Args:
        metadata: Of the lake.
        name: Of the training, for example ``training``.
    """

    def __init__(self, metadata: Metadata, name: str) -> None:
        self._metadata, self.name = metadata, name

    def decide(self, stage: Stage, gone: Gone | None = None) -> ModelStep:
        """Compare a step with what it made before of the same code, parameters and inputs, if it ever did.

        So a variant that was tried before is there again, whatever was tried in between.

        Args:
            stage: As it is declared now.
            gone: Says what of an output is not there any more, one line each.
        """
        name = f"{self.name}/{stage.name}"
        parts = self.parts(stage)
        inputs = {key: dict(value) for key, value in stage.inputs.items()}
        fresh = ModelStep(name, True, ("first run",), parts, inputs, {})
        newest = self._metadata.last(_log(name))
        same = self._metadata.last(_made(fresh))
        if same is None and newest is not None and _step_of(newest).fingerprint == fresh.fingerprint:
            same = newest  # its maker died before it could be found by its fingerprint
        if same is not None:
            lost = tuple(gone(same["output"])) if gone else ()
            since = f"unchanged since {same['recorded_at'][:16].replace('T', ' ')} UTC"
            return replace(fresh, run=bool(lost), reasons=lost or (since,), output=same["output"])
        return replace(fresh, reasons=tuple(changes(newest, parts, inputs))) if newest else fresh

    def standing(self, name: str, stage: Stage | None) -> tuple[bool, tuple[str, ...]]:
        """Of a step that needs what is not made yet: whether it runs whatever that will be, and what stands already.

        Args:
            name: Of the step, within the training.
            stage: As it is declared now, on inputs as they were; None where there are none yet.
        """
        newest = self._metadata.last(_log(f"{self.name}/{name}"))
        if newest is None:
            return True, ("first run",)
        if stage is None:
            return False, ()
        return False, tuple(changes(newest, self.parts(stage), newest["inputs"]))

    def take(self, stage: Stage, gone: Gone | None = None) -> dict[str, Any]:
        """What a step made of the code, parameters and inputs as they are, without doing it.

        Raises:
            StepNotReady: It did not, or that is gone; says why.
        """
        step = self.decide(stage, gone)
        if step.run:
            raise not_ready(stage.name, step.why)
        return dict(step.output)

    def last(self, name: str) -> dict[str, Any] | None:
        """What a step made when it last ran, whatever of; None before its first run."""
        newest = self._metadata.last(_log(f"{self.name}/{name}"))
        return None if newest is None else dict(newest["output"])

    def do(self, step: ModelStep, stage: Stage) -> dict[str, Any]:
        """Run the step's work and record what came of it."""
        log.info("%s: %s", step.name, step.why)
        output = stage.work()
        self.record(step, output)
        return output

    def record(self, step: ModelStep, output: Mapping[str, Any]) -> int:
        """Write the step's next record; returns its number.

        The log has it first: whoever dies then has lost no experiment, and `decide` finds the step there.

        Args:
            step: As decided before it ran.
            output: What it made, as plain values.
        """
        faultpoint("step.before_record")
        entry = {
            "step": step.name,
            "recorded_at": datetime.now(UTC).isoformat(),
            "parts": step.parts,
            "inputs": step.inputs,
            "output": dict(output),
        }
        newest = self._metadata.last(_log(step.name))
        if newest is not None and self._metadata.last(made := _made(_step_of(newest))) is None:
            self._metadata.append(made, newest)
        number = self._metadata.append(_log(step.name), entry)
        faultpoint("model_step.logged")
        self._metadata.append(_made(step), entry)
        faultpoint("step.after_record")
        return number

    def records(self, step: str) -> list[dict[str, Any]]:
        """Every record of a step, oldest first."""
        return self._metadata.entries(_log(f"{self.name}/{step}"))

    @staticmethod
    def parts(stage: Stage) -> dict[str, Any]:
        """What its result depends on besides its inputs, by kind and name, as hashes."""
        return {
            "code": closure(stage.code, package="models"),
            "parameter": {key: digest(value) for key, value in stage.parameters.items()},
            "lock": lock_hash(),
            "store": REVISION,
        }


def not_ready(name: str, why: str) -> StepNotReady:
    """The error of a step that another one needs, and that nobody chose to do."""
    return StepNotReady(
        f"step {name}",
        what=f"What it made cannot be taken as it stands: {why}.",
        state="was not chosen, and what needs it was not done",
        next_step="choose it as well; a + before a name chooses all that it needs: --select +NAME.",
    )


def _step_of(entry: Mapping[str, Any]) -> ModelStep:
    """The step that an entry of the log is of."""
    return ModelStep(entry["step"], False, (), entry["parts"], entry["inputs"], entry["output"])


def _log(name: str) -> str:
    return f"steps/{name}/log"


def _made(step: ModelStep) -> str:
    return f"steps/{step.name}/made/{step.fingerprint}"
