"""Commands that documents show: taken apart, and looked up where they are defined, without being run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import typer
from typer.main import get_command

from deployments.cli.app import app

PROJECT = Path(__file__).parents[2]
PYTHON = (".venv/bin/python", "python")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")


class WrongCommand(AssertionError):
    """A document shows a command that there is not."""


def lines(block: str) -> Iterator[tuple[int, str, str]]:
    """Line, command and comment of each command of a block; lines that end in a backslash go on."""
    whole = block.replace("\\\n", "\\\0")
    number = 0
    for line in whole.split("\n"):
        command, comment = _parted(line.replace("\\\0", " "))
        if command:
            yield number, command, comment
        number += 1 + line.count("\0")


def check(command: str) -> None:
    """Look a command up.

    Raises:
        WrongCommand: There is no such target, variable, verb, option, module or file.
    """
    words = shlex.split(command)
    while words and _ASSIGNED.match(words[0]):  # variables of the environment
        words = words[1:]
    match words:
        case ["make", *rest]:
            _make(rest)
        case ["alluvia" | ".venv/bin/alluvia", *rest]:
            _alluvia(rest)
        case ["source", ".venv/bin/activate"]:
            pass
        case [python, "-m", module, *rest] if python in PYTHON:
            _module(module, rest)
        case [python, file, *_] if python in PYTHON:
            _there(file)
        case _:
            raise WrongCommand(f"Nobody knows how to check {command!r}.")


@cache
def targets() -> dict[str, str]:
    """The targets of the Makefile with what they do, variables and all."""
    text = (PROJECT / "Makefile").read_text()
    found = re.findall(r"^([a-z-]+):(?!=)([^\n]*\n(?:\t[^\n]*\n)*)", text, flags=re.MULTILINE)
    return dict(found)


def _make(words: Sequence[str]) -> None:
    named = [word for word in words if not _ASSIGNED.match(word)]
    given = [word.partition("=")[0] for word in words if _ASSIGNED.match(word)]
    for name in named:
        if name not in targets():
            raise WrongCommand(f"The Makefile has no target {name!r}.")
    does = "".join(targets()[name] for name in named)
    for name in given:
        if f"$({name})" not in does:
            raise WrongCommand(f"make {' '.join(named)} does not read {name}.")
    for word in words:
        if word.startswith("ARGS="):
            for path in (part for part in word.removeprefix("ARGS=").split() if "/" in part):
                _there(path)


def _alluvia(words: Sequence[str]) -> None:
    command = get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    if words and words[0].startswith("--"):  # looked up only: some of them do their work while they are parsed
        known = {"--help", *(name for option in command.params for name in option.opts)}
        if words[0].partition("=")[0] not in known:
            raise WrongCommand(f"alluvia does not know {words[0]}.")
        return
    try:
        with command.make_context("alluvia", list(words), resilient_parsing=False) as context:
            verb, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert found is not None
            found.make_context(verb, rest, parent=context).close()
    except typer.TyperException as error:
        raise WrongCommand(f"alluvia {shlex.join(words)}: {error.format_message()}") from error
    except typer.Exit as error:  # --help answers by itself
        if error.exit_code:
            raise WrongCommand(f"alluvia {shlex.join(words)} ends with {error.exit_code}.") from error


def _module(name: str, words: Sequence[str]) -> None:
    found = importlib.util.find_spec(name)
    if found is None:
        raise WrongCommand(f"There is no module {name!r}.")
    if name == "pytest":
        for path in (word for word in words if "/" in word):
            _there(path)
        return
    if found.submodule_search_locations is None and found.origin is not None:
        text = Path(found.origin).read_text()
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            if f'"{option}"' not in text:
                raise WrongCommand(f"{name} does not know {option}.")


def _there(path: str) -> None:
    if not (PROJECT / path).exists():
        raise WrongCommand(f"There is no {path}.")


def _parted(line: str) -> tuple[str, str]:
    """A line's command and its comment, as a shell parts them."""
    quoted = ""
    for place, sign in enumerate(line):
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "'\"":
            quoted = sign
        elif sign == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place].strip(), line[place:].strip()
    return line.strip(), ""
