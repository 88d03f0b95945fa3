from __future__ import annotations

import ast
import builtins
import copy
import json
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from feature_groups.store import errors, step_errors
from feature_groups.store.errors import AlluviaError, DuplicateKeys, WriteFailed, did_you_mean
from models import errors as model_errors

ROOT = Path(__file__).parents[3]
PACKAGES = ("feature_groups", "models", "tasks", "flows", "deployments")
MODULES = {"FG": errors, "S": step_errors, "M": model_errors}
DEFINED = [c for m in MODULES.values() for c in vars(m).values() if isinstance(c, type) and issubclass(c, AlluviaError)]
CLASSES = {c.__name__ for c in DEFINED}
KINDS = {f"{c.code} {c.__name__}": c for c in DEFINED if c is not AlluviaError}
NAMES = CLASSES - {"AlluviaError"}
BUILT_IN = {n for n, c in vars(builtins).items() if isinstance(c, type) and issubclass(c, BaseException)}
FORM = re.compile(r"(FG|M|S)\d{3} [^\n:]+: [^\n]+\.\n(  [^\n]*\n)+  Next: [^\n]+\.\Z")

PLAIN_RAISES = {
    "deployments/cli/verb.py": "Exit",  # how Typer is told an exit code
    "feature_groups/store/column_types.py": "ValueError",  # the caller names the column and the contract
    "feature_groups/store/condition_values.py": "ValueError _wrong",  # a ValueError; the caller names the column
    "feature_groups/store/engines/delta_files.py": "ValueError",  # the caller names the table and the commit
    "feature_groups/store/engines/worker_errors.py": "RuntimeError",  # what Spark hands on; unpacked where it arrives
    "feature_groups/store/patterns.py": "ValueError",  # the caller names the column and the check
    "models/attempts.py": "ValueError",  # caught where it is raised, as what else a member may raise
    "models/artefact.py": "ValueError",  # caught where it is raised, with what else malformed bytes make
    "models/blocks_counts.py": "ValueError",  # the caller names the block and the transform
    "models/blocks_embeddings.py": "ValueError",  # likewise
    "models/estimator_bytes.py": "ValueError",  # caught where it is raised, likewise
    "models/histories.py": "IndexError",  # the sequence protocol's own
    "models/still_zip.py": "BadZipFile",  # the callers name the artefact
    "feature_groups/store/faults.py": "LostAcknowledgement ConnectionError OSError ValueError",  # plays broken machines
}
"""Files that may raise errors that are not the project's own, and which."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


TREES = dict(trees())


def called(node: ast.expr | None) -> str:
    """The last part of the name of what is called, or nothing."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@cache
def makers() -> set[str]:
    """Functions that are annotated to give one of the project's errors."""
    functions = [n for t in TREES.values() for n in ast.walk(t) if isinstance(n, ast.FunctionDef) and n.returns]
    named = {f.name for f in functions if f.returns and ast.unparse(f.returns).strip("'\"") in CLASSES}
    refuse = {
        a.arg
        for t in TREES.values()
        for f in ast.walk(t)
        if isinstance(f, ast.FunctionDef)
        for a in f.args.args
        if a.annotation and ast.unparse(a.annotation) == "Refuse"
    }
    return named | refuse


def test_every_error_has_a_code_and_a_title_of_its_own() -> None:
    assert len({c.code for c in KINDS.values()}) == len({c.title for c in KINDS.values()}) == len(KINDS)
    for kind in KINDS.values():
        assert re.fullmatch(r"(FG|M|S)([1-9]\d\d|0\d[1-9])", kind.code)
        assert 0 < len(kind.title.split()) <= 6
        assert kind.__doc__
        assert kind.__doc__.splitlines()[0].endswith(".")


@pytest.mark.parametrize("family", MODULES)
def test_the_drawn_tree_shows_every_error_and_no_other(family: str) -> None:
    drawn = re.findall(r"\b([A-Z]+\d{3}) (\w+)", MODULES[family].__doc__ or "")
    there = [c for c in KINDS.values() if re.fullmatch(family + r"\d{3}", c.code)]
    assert sorted(drawn) == sorted((c.code, c.__name__) for c in there)
    assert [code for code, _ in drawn] == sorted(code for code, _ in drawn)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_error_prints_in_one_form_and_survives_pickling(kind: type[AlluviaError]) -> None:
    error = kind(
        "feature group 'ratings' v1", what="12 rows are bad:\n- one\n- two", state="was not written", next_step="x."
    )
    assert FORM.fullmatch(str(error))
    assert str(error).splitlines() == [
        f"{kind.code} {kind.title}: feature group 'ratings' v1 was not written.",
        "  12 rows are bad:",
        "  - one",
        "  - two",
        "  Next: x.",
    ]
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (str(again), again.to_dict()) == (str(error), error.to_dict())
    assert json.loads(json.dumps(error.to_dict())) == {
        "code": kind.code,
        "title": kind.title,
        "where": "feature group 'ratings' v1",
        "what": "12 rows are bad:\n- one\n- two",
        "state": "was not written",
        "next_step": "x.",
    }


def test_whether_a_failed_write_may_be_tried_again_survives_pickling() -> None:
    error = WriteFailed("it", what="A lost connection.", state="was not written", next_step="try again.")
    assert not pickle.loads(pickle.dumps(error)).transient
    error.transient = True
    assert pickle.loads(pickle.dumps(error)).transient


def test_the_fields_of_an_error_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        DuplicateKeys("it", "what", "state", "next")  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize("path", TREES)
def test_every_error_that_is_made_says_where_what_state_and_next_step(path: str) -> None:
    for node in ast.walk(TREES[path]):
        if called(node if isinstance(node, ast.expr) else None) not in NAMES:
            continue
        assert isinstance(node, ast.Call)
        place = f"{path}:{node.lineno}"
        given = {k.arg: k.value for k in node.keywords}
        assert len(node.args) == 1, f"{place} does not name the object first"
        assert set(given) == {"what", "state", "next_step"}, place
        assert not (ends(given["state"]) or "").endswith("."), f"{place}: the form adds the full stop after the state"
        last = ends(given["next_step"])
        assert last != "", f"{place}: no next step"
        assert last is None or last.endswith((".", ")")), f"{place}: the next step is no sentence"


def ends(node: ast.expr) -> str | None:
    """The last piece of a text as far as it stands in the code; None where it is computed."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr) and node.values:
        return ends(node.values[-1])
    return ends(node.right) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) else None


@pytest.mark.parametrize("path", TREES)
def test_nothing_is_raised_but_errors_of_the_project(path: str) -> None:
    ours = NAMES | makers()
    allowed = PLAIN_RAISES.get(path, "").split()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Raise) and isinstance(node.exc, (ast.Call, ast.Name)):
            name = called(node.exc) or getattr(node.exc, "id", "")
            if isinstance(node.exc, ast.Name) and name not in BUILT_IN:
                continue  # an error that was made or caught before is raised again
            assert name in ours or name in allowed, f"{path}:{node.lineno} raises {name}"


def test_no_error_is_swallowed_without_a_word() -> None:
    bare = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("wrong", "known", "hint"),
    [
        ("raiting", ["rating", "user_id"], "Did you mean 'rating'?"),
        ("zzz", ["b", "a"], "There is: a, b."),
        ("zzz", [], "There is none."),
        ("zzz", [f"n{i:02}" for i in range(30)], "There is: " + ", ".join(f"n{i:02}" for i in range(20)) + ", ...."),
        ("zzz", ["a\nb", "\u202ec"], r"There is: \u202ec, a\nb."),
        ("", ["a"], "There is: a."),
    ],
)
def test_a_hint_names_the_closest_word_or_what_there_is(wrong: str, known: list[str], hint: str) -> None:
    assert did_you_mean(wrong, known) == hint


def test_a_hint_stays_short_and_quick_for_words_of_any_length() -> None:
    hint = did_you_mean("x" * 1_000_000, ["y" * 1_000_000, *("z" * 100_000 for _ in range(50))])
    assert len(hint) < 500
