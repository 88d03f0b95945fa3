"""The source of code that is loaded: the syntax trees behind a function, a class or a module-level name.

What is loaded decides, not what lies on disk: a function whose file was edited after its import has no tree here,
because the text is no longer what would run.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any


class SourceFile:
    """One file, or notebook cell, as syntax. Get it with `source_file`."""

    def __init__(self, text: str, name: str) -> None:
        self._nodes: dict[tuple[str, int], list[ast.AST]] = {}
        self._classes: dict[str, list[ast.AST]] = {}
        self._codes: dict[str, list[CodeType]] = {}
        self._bound: dict[ast.stmt, set[str]] = {}
        try:
            self.tree = ast.parse(text)
            _drop_docs(self.tree)
            self._add_codes(compile(text, name, "exec", dont_inherit=True))
        except (SyntaxError, ValueError):
            self.tree = ast.Module(body=[], type_ignores=[])
        # Expressions hold nothing that is looked for but lambdas.
        self._add_nodes(self.tree, "", ast.iter_child_nodes if "lambda" in text else _inner_statements)

    def function(self, code: CodeType) -> list[ast.AST]:
        """The definitions behind a code object; several only for lambdas on one line, none when the text moved on."""
        for known in self._codes.get(code.co_qualname, ()):
            if same_code(known, code):
                return self._nodes.get((known.co_name, known.co_firstlineno), [])
        return []

    def classes(self, qualname: str) -> list[ast.AST]:
        """The definitions of a class, and of its namesakes in other branches."""
        return self._classes.get(qualname, [])

    def bindings(self, name: str) -> list[ast.stmt]:
        """The top-level statements that assign a name or change its value in place."""
        return [node for node in self.tree.body if name in self._bindings(node)]

    def _bindings(self, node: ast.stmt) -> set[str]:
        if node not in self._bound:
            self._bound[node] = set(_bound(node))
        return self._bound[node]

    def imports(self) -> Iterator[ast.ImportFrom]:
        """Every ``from ... import ...``, wherever it stands."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom))

    def _add_codes(self, code: CodeType) -> None:
        self._codes.setdefault(code.co_qualname, []).append(code)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._add_codes(constant)

    def _add_nodes(self, tree: ast.AST, outer: str, below: Callable[[ast.AST], Iterable[ast.AST]]) -> None:
        for node in below(tree):
            inner = outer
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    # A function's code begins at its first decorator.
                    line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                    self._nodes.setdefault((name, line), []).append(node)
                    inner = f"{outer}{name}.<locals>."
                case ast.Lambda():
                    self._nodes.setdefault(("<lambda>", node.lineno), []).append(node)
                case ast.ClassDef(name=name):
                    self._classes.setdefault(outer + name, []).append(node)
                    inner = f"{outer}{name}."
            self._add_nodes(node, inner, below)


def _drop_docs(tree: ast.AST) -> None:
    """Drop texts that stand alone: docstrings, and those below attributes."""
    for block in _blocks(tree):
        for place, node in enumerate(block):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                block[place] = ast.copy_location(ast.Pass(), node)
            else:
                _drop_docs(node)


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements right below a module or a statement, in their order."""
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        below = getattr(tree, name, [])
        yield from (part.body for part in below) if name in ("handlers", "cases") else [below]


def _inner_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    return (node for block in _blocks(tree) for node in block)


def source_file(name: str, module_globals: dict[str, Any] | None = None) -> SourceFile:
    """The file or notebook cell of that name as it is now; one without content when there is none."""
    linecache.checkcache(name)
    return _parsed("".join(linecache.getlines(name, module_globals)), name)


@lru_cache(maxsize=512)
def _parsed(text: str, name: str) -> SourceFile:
    return SourceFile(text, name)


def module_file(module: ModuleType) -> SourceFile:
    """The file of a module; one without content for modules that have none."""
    try:
        name = inspect.getsourcefile(module)
    except TypeError:
        name = None
    return source_file(name, vars(module)) if name else _parsed("", "")


def function_nodes(function: FunctionType) -> list[ast.AST]:
    """The definitions behind a function, see `SourceFile.function`."""
    return source_file(function.__code__.co_filename, function.__globals__).function(function.__code__)


def class_nodes(cls: type) -> list[ast.AST]:
    """The definitions behind a class; none when a method of it is no longer what its file says."""
    methods = [m for m in map(_as_function, vars(cls).values()) if m is not None and m.__module__ == cls.__module__]
    own = [m for m in methods if m.__code__.co_qualname.startswith(f"{cls.__qualname__}.")]
    if any(not function_nodes(method) for method in own):
        return []
    if own:  # a class of a notebook has no other link to its cell
        file = source_file(own[0].__code__.co_filename, own[0].__globals__)
    elif module := sys.modules.get(cls.__module__):
        file = module_file(module)
    else:
        return []
    return file.classes(cls.__qualname__)


def imported_from(module: ModuleType, name: str) -> tuple[str, str] | None:
    """(module, name) that a name of a module was imported from, or None."""
    for node in module_file(module).imports():
        source = absolute(node, str(module.__dict__.get("__package__") or ""))
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return source, alias.name
            if alias.name == "*" and hasattr(sys.modules.get(source), name):
                return source, name
    return None


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of the module that a ``from ... import`` names."""
    relative = "." * node.level + (node.module or "")
    return importlib.util.resolve_name(relative, package) if node.level and package else node.module or ""


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same, wherever they stand."""
    return (
        one.co_code == other.co_code
        and one.co_names == other.co_names
        and len(one.co_consts) == len(other.co_consts)
        and all(_same_constant(a, b) for a, b in zip(one.co_consts, other.co_consts, strict=True))
    )


def _same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    return type(one) is type(other) and one == other


def _as_function(member: object) -> FunctionType | None:
    found = getattr(member, "__func__", getattr(member, "fget", member))
    return found if isinstance(found, FunctionType) else None


def _bound(node: ast.stmt) -> Iterator[str]:
    """Names that a statement gives a value, or changes, at its own level or in its branches."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            return
        case ast.Assign(targets=targets):
            yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        case ast.For(target=target):
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        case ast.With(items=items):
            targets = [item.optional_vars for item in items if item.optional_vars]
            yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            yield name  # such as TABLE.update(...)
    for inner in _inner_statements(node):
        yield from _bound(inner)
