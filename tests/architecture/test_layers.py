"""Who may import whom: the contracts in pyproject.toml hold, find what is planted, and forget no declaration."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["deployments", "flows", "tasks", "models", "feature_groups"]
CONTRACTS = {
    c["id"]: c for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
MACHINERY = {"store"}
DECLARING = {
    f"feature_groups.{path.stem}"
    for path in (ROOT / "feature_groups").iterdir()
    if path.suffix == ".py" or path.is_dir()
} - {"feature_groups.__init__", "feature_groups.__pycache__", *(f"feature_groups.{m}" for m in MACHINERY)}

PLANTED: dict[str, tuple[str, str]] = {
    "layers": ("models/planted.py", "import tasks\n"),
    "store": ("feature_groups/store/planted_declaration.py", "from feature_groups import ratings\n"),
    "prefect": ("feature_groups/store/planted_prefect.py", "def late():\n    from prefect import task\n"),
    "engines": ("feature_groups/store/planted_engine.py", "import feature_groups.store.engines.polars\n"),
    "spark": ("tasks/planted_spark.py", "def late():\n    from pyspark.sql import functions\n"),
    "tasks": ("tasks/planted_group.py", "from feature_groups.sources import generator\n"),
    "fitting": ("models/planted_serving.py", "def late():\n    from models import transform_fit\n"),
}


def imports(path: Path) -> set[str]:
    """Every absolute name a file imports, wherever in it; `from a import b` gives a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def lint(folder: Path) -> tuple[int, str]:
    """Run import-linter on the packages in a folder, whatever is installed."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache", "--no-logo"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_contract_is_kept() -> None:
    code, said = lint(ROOT)
    assert code == 0, said
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said


def test_every_contract_finds_what_it_forbids(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, text in PLANTED.values():
        (tmp_path / file).write_text(text)

    code, said = lint(tmp_path)

    assert code == 1, said
    broken = set(re.findall(r"^(.+) BROKEN", said, flags=re.MULTILINE))
    assert broken == {c["name"] for c in CONTRACTS.values()}
    for file, _ in PLANTED.values():
        assert file.removesuffix(".py").replace("/", ".") in said
    assert PLANTED.keys() == CONTRACTS.keys()


@pytest.mark.parametrize("contract", ["store", "tasks"])
def test_the_contracts_name_every_declaration(contract: str) -> None:
    """A wildcard would match the store as well, so the list is kept by this test."""
    assert set(CONTRACTS[contract]["forbidden_modules"]) == DECLARING


def test_the_store_imports_no_declaration() -> None:
    for path in (ROOT / "feature_groups" / "store").rglob("*.py"):
        others = {
            n for n in imports(path) if n.startswith("feature_groups.") and not n.startswith("feature_groups.store")
        }
        assert others == set(), path


def test_reading_data_imports_neither_pandera_nor_prefect_nor_spark() -> None:
    """Their imports cost seconds; a server that serves features must not pay them."""
    code = "import sys, feature_groups.store; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    loaded = set(ast.literal_eval(said))
    assert loaded & {"pandera", "prefect", "pyspark", "delta", "pandas", "sklearn"} == set()
