from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feature_groups.store import faults
from feature_groups.store.metadata import Metadata
from models.model_steps import ModelSteps, Stage


def doubled(number: int) -> int:
    return 2 * number


def tripled(number: int) -> int:
    return 3 * number


@pytest.fixture
def steps(tmp_path: Path) -> ModelSteps:
    return ModelSteps(Metadata(tmp_path), "training/toy")


def stage(number: int = 1, content: str = "a", code: Callable[[int], int] = doubled) -> Stage:
    inputs = {"dataset": {"content": content, "version": 1}}
    return Stage("double", (code,), {"number": number}, inputs, lambda: {"made": code(number)})


def run(steps: ModelSteps, what: Stage, gone: Any = None) -> tuple[bool, str, Any]:
    step = steps.decide(what, gone)
    output = step.output
    if step.run:
        output = what.work()
        steps.record(step, output)
    return step.run, step.why.split(" since ")[0], output["made"]


def test_a_step_runs_once_and_is_then_taken_as_it_was_made(steps: ModelSteps) -> None:
    assert run(steps, stage()) == (True, "first run", 2)
    assert run(steps, stage()) == (False, "unchanged", 2)
    assert len(steps.records("double")) == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (stage(number=5), "parameter changed: number"),
        (stage(content="b"), "dataset moved from v1 to v1"),
        (stage(code=tripled), "code changed"),
    ],
    ids=["parameter", "input", "code"],
)
def test_what_it_depends_on_runs_it_again_and_is_named(steps: ModelSteps, changed: Stage, why: str) -> None:
    run(steps, stage())
    ran, said, _ = run(steps, changed)
    assert ran
    assert said.startswith(why)


def test_a_variant_that_was_tried_before_is_there_whatever_was_tried_in_between(steps: ModelSteps) -> None:
    for number in (1, 5, 7):
        assert run(steps, stage(number))[0]
    assert run(steps, stage(1)) == (False, "unchanged", 2)
    assert run(steps, stage(5)) == (False, "unchanged", 10)


def test_a_step_of_which_the_output_is_gone_runs_again(steps: ModelSteps) -> None:
    run(steps, stage())
    assert run(steps, stage(), gone=lambda output: ["its member is gone"]) == (True, "its member is gone", 2)
    assert run(steps, stage(), gone=lambda output: []) == (False, "unchanged", 2)


def test_a_step_whose_maker_died_within_its_record_is_in_the_log_once_and_not_run_again(
    steps: ModelSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLUVIA_FAULTS", "model_step.logged:raise@1")
    monkeypatch.setattr(faults, "_passages", type(faults._passages)())
    with pytest.raises(ConnectionError):
        run(steps, stage())

    assert len(steps.records("double")) == 1
    assert run(steps, stage()) == (False, "unchanged", 2)
    for number in (5, 7):
        run(steps, stage(number))
    assert run(steps, stage()) == (False, "unchanged", 2)
    assert [record["output"]["made"] for record in steps.records("double")] == [2, 10, 14]
