"""A command that a page shows wrongly is found."""

from __future__ import annotations

import pytest

from commands import WrongCommand, check, lines


@pytest.mark.parametrize(
    "command",
    [
        "make run DATA=path/to/ml-1m",
        'make test ARGS="-n 0 tests/docs/test_commands.py"',
        "alluvia groups --json --lake my-lake",
        "python -m deployments.run --stop",
        "NAME=1 .venv/bin/python docs/examples/latest_row.py",
        ".venv/bin/python -m pytest -s tests/docs/test_commands.py",
    ],
)
def test_what_there_is_passes(command: str) -> None:
    check(command)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make rum", "no target 'rum'"),
        ("make run DATUM=x", "does not read DATUM"),
        ("make stop DATA=x", "does not read DATA"),
        ('make test ARGS="tests/nowhere.py"', "no tests/nowhere.py"),
        ("alluvia grops", "Did you mean 'groups'"),
        ("alluvia groups --jsn", "No such option"),
        ("python -m deployments.rum", "no module"),
        ("python -m deployments.run --halt", "does not know --halt"),
        ("python docs/nowhere.py", "no docs/nowhere.py"),
        ("rm -rf /", "Nobody knows"),
    ],
)
def test_what_there_is_not_is_found(command: str, problem: str) -> None:
    with pytest.raises(WrongCommand, match=problem):
        check(command)


def test_commands_are_told_from_comments_and_may_go_on() -> None:
    block = "# first\nmake run  # needs time\n\nmake \\\n  test ARGS='#1'\nmake stop"

    assert list(lines(block)) == [
        (1, "make run", "# needs time"),
        (3, "make    test ARGS='#1'", ""),
        (5, "make stop", ""),
    ]
