"""What every verb does alike: JSON, errors, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deployments.cli.app import app
from deployments.cli.output import Answer
from deployments.cli.verb import Shared, Verbs, add
from deployments.command import STOPPED
from feature_groups.store.errors import NothingWritten

RUNNER = CliRunner()


def one_verb(work: type[BaseException] | BaseException | None) -> typer.Typer:
    """A command line with a verb that answers, or stops with an error."""
    made = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)
    made.callback()(lambda: None)

    def verb(shared: Shared, number: int = 1) -> Answer:
        """Do it."""
        if work is not None:
            raise work
        return Answer({"number": number, "lake": str(shared.lake)}, [f"number {number} [bold]as it is[/bold]"], code=3)

    add(made, verb, panel="Verbs")
    return made


def refused() -> NothingWritten:
    return NothingWritten("group 'a' v1", what="Nothing is there.\nNor there.", state="is empty", next_step="insert.")


def test_an_answer_is_a_text_or_one_document_and_its_exit_code() -> None:
    said = RUNNER.invoke(one_verb(None), ["verb", "--number", "7"])
    told = RUNNER.invoke(one_verb(None), ["verb", "--json", "--lake", "lake"])

    assert (said.exit_code, said.stdout, said.stderr) == (3, "number 7 [bold]as it is[/bold]\n", "")
    assert json.loads(told.stdout) == {"number": 1, "lake": str(Path("lake").resolve())}


def test_an_error_is_a_line_and_a_hint() -> None:
    done = RUNNER.invoke(one_verb(refused()), ["verb"])

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "FG304 nothing written yet: group 'a' v1: Nothing is there. (and 1 more lines: --verbose)",
        "  Next: insert.",
    ]


def test_verbose_tells_an_error_whole() -> None:
    done = RUNNER.invoke(one_verb(refused()), ["verb", "--verbose"])

    assert done.stderr == f"{refused()}\n"


def test_with_json_errors_and_misuse_are_json_too() -> None:
    error = RUNNER.invoke(one_verb(refused()), ["verb", "--json"])
    misuse = RUNNER.invoke(one_verb(None), ["verb", "--json", "--number", "seven"])

    assert error.exit_code == 1
    assert json.loads(error.stderr)["error"] == refused().to_dict()
    assert misuse.exit_code == 2
    assert "--number" in json.loads(misuse.stderr)["error"]["what"]


def test_a_defect_is_a_line_and_its_traceback_is_told_when_asked() -> None:
    done = RUNNER.invoke(one_verb(KeyError("key")), ["verb"])
    whole = RUNNER.invoke(one_verb(KeyError("key")), ["verb", "--verbose"])

    assert done.exit_code == 1
    assert done.stderr.splitlines() == ["KeyError: 'key'", "  Next: run the same with --verbose to see where."]
    assert isinstance(whole.exception, KeyError)


def test_ctrl_c_ends_in_a_line() -> None:
    done = RUNNER.invoke(one_verb(KeyboardInterrupt()), ["verb"])

    assert (done.exit_code, done.stderr) == (130, f"{STOPPED}\n")


@pytest.mark.parametrize("arguments", [["relases"], ["relases", "--json"]])
def test_a_misspelt_verb_is_misuse_and_the_right_one_is_named(arguments: list[str]) -> None:
    done = RUNNER.invoke(app, arguments)

    assert done.exit_code == 2
    assert "Did you mean 'releases'" in done.stderr


def test_a_lake_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["groups", "--lake", str(tmp_path / "none")])

    assert done.exit_code == 1
    assert "There is no such folder." in done.stderr
    assert list(tmp_path.iterdir()) == []
