from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from feature_groups.store.code_closure import closure
from shop_program import PROGRAM, Load, loading

PROJECT = Path(__file__).parents[3]

EDITS: Mapping[str, tuple[str, str, str, set[str]]] = {
    # What is edited: file, old text, new text, the names whose hash changes.
    "the transform": ("group.py", "return raw", "return raw.head(1)", {"group.transform"}),
    "a helper": ("group.py", "deeper(value) + cut", "deeper(value) - cut", {"group.helper"}),
    "a helper's helper": ("group.py", "value - 1", "value - 2", {"group.deepest"}),
    "a constant": ("group.py", "CUT = 5", "CUT = 6", {"group.CUT", "group.helper"}),
    "a default": ("group.py", "cut=CUT", "cut=9", {"group.helper"}),
    "an item of a table": ("group.py", 'TABLE["b"] = 2', 'TABLE["b"] = 3', {"group.TABLE"}),
    "a table changed in place": ("group.py", "c=3", "c=4", {"group.TABLE"}),
    "a branch": ("group.py", 'MODE = "wide"', 'MODE = "huge"', {"group.MODE"}),
    "a helper with a cache": ("group.py", "value * 10", "value * 20", {"group.remembered"}),
    "a lambda": ("group.py", "lambda value: value * 2", "lambda value: value * 4", {"group.<lambda>"}),
    "a lambda in a table": ("group.py", "lambda value: value + 2", "lambda value: value + 3", {"group.many"}),
    "a closure's argument": ("group.py", "times(3)", "times(4)", {"group.times.<locals>.multiply"}),
    "a partial's argument": ("group.py", "days=7", "days=8", {"group.bound (arguments)", "group.weekly"}),
    "a partial's function": ("group.py", "value * days", "value / days", {"group.bound"}),
    "an object's class": ("marks.py", "word.strip()", "word.lower()", {"marks.Cleaner"}),
    "an object's argument": ("group.py", "strength=3", "strength=4", {"group.clean"}),
    "a decorator": (
        "marks.py",
        "function(raw)",
        "function(raw).lazy()",
        {"marks.traced.<locals>.inner", "marks.traced"},
    ),
    "a check's limit": ("group.py", "le=figures", "lt=figures", {"group.Contract"}),
    "an invariant": ("group.py", 'nw.col("value"))', 'nw.col("value") + 1)', {"group.Contract"}),
    "an invariant's helper": ("numbers.py", "% 2 == 0", "% 4 == 0", {"numbers.even"}),
    "a function of a module": ("numbers.py", "value + 1", "value + 2", {"numbers.add"}),
    "a constant by another name": ("numbers.py", "HIGHEST = 10", "HIGHEST = 20", {"numbers.HIGHEST"}),
    "a function of a package's module": ("text/words.py", "word + MARK", "MARK + word", {"text.words.shout"}),
    "a constant of that module": ("text/words.py", '"!"', '"?"', {"text.words.MARK"}),
    "a name imported by star": ("starred.py", "STARS = 5", "STARS = 6", {"starred.STARS"}),
    "a function imported inside": ("late.py", "value + 100", "value + 200", {"late.at_last"}),
    "a module imported inside": ("later.py", "BOUND = 1", "BOUND = 2", {"later.BOUND"}),
    "a comment": ("group.py", "# a comment", "# another", set()),
    "a docstring": ("group.py", "Its docstring.", "What it does.", set()),
    "a contract's docstring": ("group.py", "One row per thing.", "One row a thing.", set()),
    "the format": ("group.py", "return deeper(value) + cut", "return (deeper(value)\n            + cut)", set()),
    "the place": ("group.py", "CUT = 5", "\n\n\nCUT = 5", set()),
    "an unused function": ("group.py", "return UNUSED", "return 2", set()),
    "an unused constant": ("group.py", "UNUSED = 1", "UNUSED = 3", set()),
    "an unused function of a module used": ("numbers.py", "    return value\n", "    return 3\n", set()),
}


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    with loading(tmp_path) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def unedited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The closure of the program as it stands."""
    with loading(tmp_path_factory.mktemp("unedited")) as loaded:
        return reached(loaded(PROGRAM))


def reached(group: ModuleType, **more: str) -> dict[str, str]:
    return closure([group.transform, group.Contract], **more)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {name.removeprefix("shop.") for name in {*before, *after} if before.get(name) != after.get(name)}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_closure_exactly_where_it_matters(edit: str, load: Load, unedited: dict[str, str]) -> None:
    file, old, new, expected = EDITS[edit]
    assert old in PROGRAM[file]
    after = reached(load({**PROGRAM, file: PROGRAM[file].replace(old, new, 1)}))

    assert differing(unedited, after) == expected


def test_libraries_and_the_store_are_not_followed(load: Load) -> None:
    names = reached(load(PROGRAM))

    assert {name.partition(".")[0] for name in names} == {"shop"}


def test_an_installed_package_is_followed_when_it_is_the_project_itself(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("feature_groups.store.code_closure._LIBRARIES", (tmp_path,))
    group = load(PROGRAM)

    assert reached(group) == {}
    assert "shop.group.deepest" in reached(group, package="shop")


def test_the_closure_is_the_same_in_every_process(load: Load, tmp_path: Path) -> None:
    here = reached(load(PROGRAM))
    script = "import json, shop.group as g; from feature_groups.store.code_closure import closure; "
    script += "print(json.dumps(closure([g.transform, g.Contract])))"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{PROJECT}", "PYTHONHASHSEED": "42"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == here


def test_a_file_edited_after_its_import_is_not_taken_for_what_runs(load: Load, tmp_path: Path) -> None:
    """The rows were made by the old code; the next process must see another closure than this one records."""
    group = load(PROGRAM)
    honest = reached(group)
    edited = PROGRAM["group.py"].replace("value - 1", "value - 2").replace("CUT = 5", "CUT = 6")
    (tmp_path / "shop" / "group.py").write_text(edited)

    meanwhile = reached(group)
    assert {"group.deepest", "group.CUT"} <= differing(honest, meanwhile)

    later = reached(load({**PROGRAM, "group.py": edited}))
    assert {"group.deepest", "group.CUT"} <= differing(meanwhile, later)


def test_moved_lines_alone_are_no_edit_of_what_runs(load: Load, tmp_path: Path) -> None:
    group = load(PROGRAM)
    honest = reached(group)
    (tmp_path / "shop" / "group.py").write_text("# moved\n" * 7 + PROGRAM["group.py"])

    assert reached(group) == honest


NOTEBOOK = """
import json, linecache, sys
import narwhals as nw
import pandera.polars as pa
from feature_groups.store import invariant
from feature_groups.store.code_closure import closure

def cell(number, text):
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())

cell(1, "CUT = 5\\nWORDS = ['a']\\n\\ndef helper(value):\\n    return value + CUT\\n")
cell(2, "def transform(raw):\\n    return helper(1), WORDS\\n")
cell(3, '''class Contract(pa.DataFrameModel):
    "One row per thing."
    value: int
    @invariant
    def small(cls):
        return nw.col("value") < CUT
''')
before = closure([transform, Contract])
cell(*eval(sys.argv[1]))
after = closure([transform, Contract])
print(json.dumps(sorted(n for n in {**before, **after} if before.get(n) != after.get(n))))
"""


@pytest.mark.parametrize(
    ("redone", "expected"),
    [
        ((4, "def helper(value):\n    return value - CUT\n"), ["__main__.helper"]),
        ((4, "CUT = 6\n"), ["__main__.CUT"]),
        ((4, "WORDS = ['a', 'b']\n"), ["__main__.WORDS"]),
        ((4, "def helper(value):\n    # says nothing\n    return value + CUT\n"), []),
    ],
)
def test_cells_of_a_notebook_are_followed(redone: tuple[int, str], expected: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", NOTEBOOK, repr(redone)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == expected


def test_code_without_any_source_is_known_by_its_instructions() -> None:
    def transform(text: str) -> object:
        scope: dict[str, object] = {"__name__": "made.by.program", "CUT": 5}
        exec(text, scope)
        return scope["transform"]

    once = "def helper(value): return {value, 'a', 'b'}\ndef transform(raw): return [helper(v) for v in raw]"
    first, again = closure([transform(once)]), closure([transform(once)])
    assert first == again
    assert set(first) == {"made.by.program.transform", "made.by.program.helper"}
    assert closure([transform(once.replace("'b'", "'c'"))]) != first
