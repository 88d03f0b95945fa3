"""Rules of the house that no linter knows: sizes of files, and what code may never do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("deployments", "flows", "tasks", "models", "feature_groups")
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
MAX_LINES = 300
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "imp"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
ALLOWED_CALLS = {("feature_groups/store/loaded_source.py", "compile")}  # compares code, runs none
SQL_METHODS = {"sql", "execute", "executemany", "executescript", "selectExpr", "expr"}
OWN_STATEMENTS = {"feature_groups/store/engines/warm_up.py"}  # over tables it makes in a folder of its own
QUOTING = {"quoted"}
"""Functions whose result is a name or value quoted for SQL."""


def problems(path: Path, text: str) -> Iterator[str]:
    """What a file does that no file may do."""
    for node in ast.walk(ast.parse(text)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.partition(".")[0] in FORBIDDEN_IMPORTS:
                yield f"{path}:{node.lineno} imports {name}"  # type: ignore[attr-defined]  # this one has it
        if isinstance(node, ast.Call):
            yield from (f"{path}:{node.lineno} {what}" for what in calls(str(path), node))


def calls(path: str, node: ast.Call) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name in FORBIDDEN_CALLS and (path, name) not in ALLOWED_CALLS:
        yield f"calls {name}"
    keywords = {k.arg: k.value for k in node.keywords}
    if _is_true(keywords.get("shell")):
        yield "starts a shell"
    if _is_true(keywords.get("allow_pickle")):
        yield "loads pickles"
    if method in ("load", "load_all") and ast.unparse(node.func).startswith("yaml"):
        yield "loads YAML that may make objects"
    if method in SQL_METHODS and path not in OWN_STATEMENTS and node.args and not _safe(node.args[0]):
        yield f"puts text together in .{method}(...)"
    if ast.unparse(node.func) in ("os.system", "os.popen", "tempfile.mktemp", "random.seed"):
        yield f"calls {ast.unparse(node.func)}"


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _safe(node: ast.expr) -> bool:
    """Whether a statement stands in the code, or is made of constants and quoted parts only."""
    if isinstance(node, ast.JoinedStr):
        values = [v.value for v in node.values if isinstance(v, ast.FormattedValue)]
        return all(isinstance(v, ast.Call) and ast.unparse(v.func) in QUOTING for v in values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and _safe(node.left) and _safe(node.right)
    return isinstance(node, (ast.Constant, ast.Starred)) or (isinstance(node, ast.Name) and node.id.isupper())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_has_less_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < MAX_LINES


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_loads_code_from_data_or_builds_statements_from_text(path: Path) -> None:
    assert list(problems(path.relative_to(ROOT), path.read_text())) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import pickle", "imports pickle"),
        ("from joblib import load", "imports joblib"),
        ("eval('1')", "calls eval"),
        ("subprocess.run('ls', shell=True)", "starts a shell"),
        ("np.load(f, allow_pickle=True)", "loads pickles"),
        ("yaml.load(f)", "loads YAML"),
        ("session.sql(f'select * from {table.name}')", "puts text together"),
        ("session.sql('select * from ' + table.name)", "puts text together"),
        ("session.sql('select %s' % name)", "puts text together"),
        ("session.sql('select {}'.format(name))", "puts text together"),
        ("cursor.execute(f'{a[0]}')", "puts text together"),
        ("session.sql(f'select * from {table}')", "puts text together"),
        ("session.sql(statement)", "puts text together"),
        ("os.system('ls')", "calls os.system"),
    ],
)
def test_the_rules_find_what_is_planted(code: str, said: str) -> None:
    assert said in "".join(problems(Path("planted.py"), code))


@pytest.mark.parametrize(
    "code", ["session.sql('select 1')", "session.sql(f'describe {quoted(path)}')", "yaml.safe_load(f)"]
)
def test_the_rules_let_pass_what_is_harmless(code: str) -> None:
    assert list(problems(Path("harmless.py"), code)) == []


@pytest.mark.parametrize("folder", PACKAGES)
def test_every_module_says_what_it_is_for(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        doc = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert doc.splitlines()[:1], path
        assert doc.splitlines()[0].endswith("."), path


def test_tests_have_no_packages() -> None:
    """In importlib mode a package under tests/ would hide the real one."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []
