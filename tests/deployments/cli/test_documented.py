"""Every verb is documented, and every documented command can be understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from deployments.cli.app import app

PROJECT = Path(__file__).parents[3]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LINE = re.compile(r"^(?:\$ )?alluvia ([a-z].*)$", flags=re.MULTILINE)


def commands() -> TyperGroup:
    found = get_command(app)
    assert isinstance(found, TyperGroup)
    return found


LINES = sorted({line for page in PAGES for line in LINE.findall(page.read_text())})


@pytest.mark.parametrize("line", LINES)
def test_a_documented_command_can_be_understood(line: str) -> None:
    name, *arguments = shlex.split(line, comments=True)

    commands().commands[name].make_context(name, arguments)


def test_every_verb_is_documented() -> None:
    documented = {shlex.split(line, comments=True)[0] for line in LINES}

    assert set(commands().commands) - documented == set()
