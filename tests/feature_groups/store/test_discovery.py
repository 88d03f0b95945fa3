from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from feature_groups.store import FeatureGroup
from feature_groups.store.discovery import discover, in_order
from feature_groups.store.errors import InvalidDeclaration
from small_world import PACKAGE, forget, write

GROUP = """
from feature_groups.store import FeatureGroup
{name} = FeatureGroup(name="{group}", version={version}, description="D.", primary_key=["id"], static=True)
"""


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Mapping[str, str]], list[str]]]:
    """Discovers the groups of a package made of these modules."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def declared(modules: Mapping[str, str]) -> list[str]:
        write(tmp_path / "world", {"__init__.py": "", **modules})
        forget("world")
        return [group.id for group in discover("world")]

    yield declared
    forget("world")


def group(module: str, *, name: str = "v1", version: int = 1) -> str:
    return GROUP.format(name=name, group=module, version=version)


def test_groups_come_after_what_they_read_and_else_by_name(declare: Callable[[Mapping[str, str]], list[str]]) -> None:
    assert declare(PACKAGE) == ["points_v1", "things_v1", "scores_v1"]


def test_versions_stand_side_by_side_and_may_have_other_names_too(
    declare: Callable[[Mapping[str, str]], list[str]],
) -> None:
    both = group("things") + group("things", name="v2", version=2) + "latest = v2\n"

    assert declare(
        {"things.py": both, "others.py": "from world.things import v1 as things_v1\nimport world.things\n"}
    ) == [
        "things_v1",
        "things_v2",
    ]


def test_packages_inside_are_not_searched(declare: Callable[[Mapping[str, str]], list[str]], tmp_path: Path) -> None:
    write(tmp_path / "world" / "views", {"__init__.py": "", "odd.py": group("elsewhere")})

    assert declare({"things.py": group("things")}) == ["things_v1"]


@pytest.mark.parametrize(
    ("modules", "what"),
    [
        ({"things.py": group("thing")}, r"things\.py, where its name does not match the module's"),
        ({"things.py": group("things", name="first")}, r"things\.py as 'first', not as 'v1'"),
        ({"things.py": group("things") + group("things", name="again")}, r"things\.py a second time"),
        (
            {"things.py": "import not_there"},
            r"No module named 'not_there' \(.*things\.py, line 1\)",
        ),
        ({"things.py": "def ("}, r"SyntaxError: .*\(things\.py, line 1\)"),
        ({"things.py": "v1 = 1 / 0"}, r"ZeroDivisionError: division by zero \(.*things\.py, line 1\)"),
    ],
)
def test_what_is_declared_wrongly_is_named_with_its_file(
    modules: Mapping[str, str], what: str, declare: Callable[[Mapping[str, str]], list[str]]
) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        declare(modules)
    caught.match(what)


def test_a_declaration_that_is_refused_says_so_itself(declare: Callable[[Mapping[str, str]], list[str]]) -> None:
    with pytest.raises(InvalidDeclaration, match=r"feature group 'things' v0"):
        declare({"things.py": group("things", version=0)})


def test_the_order_does_not_depend_on_the_order_of_finding() -> None:
    made: list[FeatureGroup] = []
    for n in range(8):
        keys = {f"k{m}": made[m] for m in range(n) if (n + m) % 3 == 0}
        made.append(
            FeatureGroup(
                name=f"g{9 - n}", version=1, description="D.", primary_key=["id"], static=True, foreign_key=keys
            )
        )
    expected = [found.id for found in in_order(made)]
    for seed in range(5):
        random.Random(seed).shuffle(made)
        assert [found.id for found in in_order(made)] == expected
    for position, name in enumerate(expected):
        (one,) = (found for found in made if found.id == name)
        assert {upstream.id for upstream in one.upstream} <= set(expected[:position])
