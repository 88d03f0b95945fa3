"""The notebooks run from top to bottom, as a person would run them, and are kept without what came out."""

from __future__ import annotations

import ast
import importlib
from itertools import takewhile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from film_lake import film_lake

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def opened(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[str]:
    return [cell.source for cell in opened(path).cells if cell.cell_type == "code"]


@every_notebook
def test_nothing_that_came_out_is_kept(path: Path) -> None:
    for cell in opened(path).cells:
        assert not cell.get("outputs"), cell.source
        assert cell.get("execution_count") is None
        assert not cell.metadata
    assert set(opened(path).metadata) == {"kernelspec", "language_info"}


@every_notebook
def test_cells_are_short_and_have_prose_between_them(path: Path) -> None:
    run = 0
    for cell in opened(path).cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 3, "four cells of code without a word"
        if not cell.source.startswith("%%writefile"):
            assert len(cell.source.splitlines()) <= 15, cell.source


@every_notebook
def test_what_a_notebook_imports_is_there(path: Path) -> None:
    for source in code(path):
        if source.startswith("%%"):
            source = source.partition("\n")[2]
        tree = compile(source, path.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for found in ast.walk(tree):
            if isinstance(found, ast.ImportFrom) and found.module != "workshop":
                module = importlib.import_module(str(found.module))
                for name in found.names:
                    if not hasattr(module, name.name):
                        importlib.import_module(f"{found.module}.{name.name}")


@pytest.fixture
def kernel(user_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a kernel: that of a user who has run `make run`, and whose server may be running."""
    folder = tmp_path_factory.mktemp("kernel")
    monkeypatch.setenv("ALLUVIA_HOME", str(user_home))
    monkeypatch.setenv("ALLUVIA_LAKE", str(film_lake(tmp_path_factory.getbasetemp()).lake))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))


def executed(path: Path, *, until: str = "") -> nbformat.NotebookNode:
    """The notebook as it is after it was run, or as much of it as stands before the first cell with a word."""
    notebook = opened(path)
    if until:
        notebook.cells = list(takewhile(lambda cell: until not in cell.source, notebook.cells))
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()
    return notebook


def shown(notebook: nbformat.NotebookNode) -> str:
    results = [out for cell in notebook.cells for out in cell.get("outputs", []) if "data" in out]
    return "\n".join(out["data"].get("text/html", out["data"].get("text/plain", "")) for out in results)


@pytest.mark.usefixtures("kernel")
def test_a_new_feature_is_tried_before_anything_is_computed() -> None:
    """What needs neither Spark nor a server."""
    page = shown(executed(FOLDER / "new_feature.ipynb", until="use_server"))

    for words in ("share_night", "feature store of", "One row per user and instant", "at_night"):
        assert words in page


EXPECTED = {
    "tour": ["contract violated", "<b>blessed</b>", "because you rated", "training of films"],
    "new_feature": ["night_ratings_v1", "first run", "night-ratings", "0 3 * * *"],
}
"""What a reader is to see."""


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
@every_notebook
def test_a_notebook_runs_and_shows_what_it_promises(path: Path) -> None:
    page = shown(executed(path))

    for words in EXPECTED[path.stem]:
        assert words in page
