"""Which code a step depends on: everything in the project that its functions call, and nothing else.

Each function, class and module-level value is hashed by its syntax tree, without docstrings and comments, and the
names it uses are followed; constants are hashed by their value too, arguments bound by `partial` or a closure by
their value only. Libraries are covered by the lock file; the store by its own revision.
"""

from __future__ import annotations

import ast
import enum
import hashlib
import importlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from feature_groups.store.loaded_source import absolute, class_nodes, function_nodes, imported_from, module_file

_STORE = "feature_groups.store"
_LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_KNOWN = 20_000
"""Syntax trees of which is remembered what they hold: a step's code is walked again at every decision."""
_IMMUTABLE = (bool, int, float, complex, str, bytes, date, time, timedelta, tzinfo, Decimal, type(None), enum.Enum)


def closure(roots: Iterable[object], *, package: str = "") -> dict[str, str]:
    """Hashes by qualified name of all project code that the roots reach, the roots included.

    Args:
        roots: Functions, classes, or objects that hold them.
        package: Top-level package that is project code wherever it lies; others are when they are not installed.
    """
    walk = _Walk(package)
    for root in roots:
        walk.visit(root)
    return dict(sorted(walk.found.items()))


def syntax(roots: Iterable[object], *, package: str = "") -> list[tuple[str, ast.AST]]:
    """(module, syntax tree) of every project function and class that the roots reach, see `closure`."""
    walk = _Walk(package)
    for root in roots:
        walk.visit(root)
    return walk.trees


class _Walk:
    """One traversal; `found` and `trees` grow."""

    def __init__(self, package: str) -> None:
        self.found: dict[str, str] = {}
        self.trees: list[tuple[str, ast.AST]] = []
        self._package = package
        self._seen: dict[int, object] = {}  # holds what it saw, so that no id is used twice

    def visit(self, thing: object) -> None:
        """Follow a function, class, method, partial, or an object that holds some."""
        if id(thing) in self._seen or isinstance(thing, (*_IMMUTABLE, ModuleType)):
            return
        self._seen[id(thing)] = thing
        if isinstance(getattr(thing, "__wrapped__", None), (FunctionType, type)):
            self.visit(thing.__wrapped__)  # type: ignore[attr-defined]  # functools.wraps sets it
        match thing:
            case FunctionType():
                self._function(thing)
            case type():
                self._class(thing)
            case MethodType():
                self.visit(thing.__func__)
                self.visit(thing.__self__)
            case partial():
                self.visit(thing.func)
                self._bound(f"{_name(thing.func)} (arguments)", [*thing.args, thing.keywords])
            case list() | tuple() | set() | frozenset():
                for item in thing:
                    self.visit(item)
            case dict():
                self.visit([*thing, *thing.values()])
            case _ if self._is_ours(sys.modules.get(type(thing).__module__)):
                self.visit(type(thing))
                self._bound(f"{_name(type(thing))} (attributes)", getattr(thing, "__dict__", {}))

    def _bound(self, label: str, values: Any) -> None:
        """Values that no statement of a module tells: by themselves, and the code they hold."""
        self._note(label, _told(values))
        self.visit(values)

    def _function(self, function: FunctionType) -> None:
        if not self._is_ours(sys.modules.get(function.__globals__.get("__name__", ""))):
            return
        code = function.__code__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        kept = {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}
        nodes = function_nodes(function)
        self.trees += [(str(function.__globals__.get("__name__", "?")), node) for node in nodes]
        text = "".join(map(_dumped, nodes)) or _code_text(code)
        values = (kept, function.__defaults__, function.__kwdefaults__)
        self._note(f"{function.__globals__.get('__name__', '?')}.{code.co_qualname}", text + _told(values))
        self.visit(values)
        scope = {name: value for name, value in function.__globals__.items() if name not in kept}
        names = [name for node in nodes for name in _names(node)] if nodes else [(n,) for n in _code_names(code)]
        package = str(function.__globals__.get("__package__") or "")
        for node in nodes:
            scope |= self._local_imports(node, package)
        self._follow(names, scope, sys.modules.get(function.__globals__.get("__name__", "")))

    def _class(self, cls: type) -> None:
        module = sys.modules.get(cls.__module__)
        if not self._is_ours(module):
            return
        nodes = class_nodes(cls)
        self.trees += [(cls.__module__, node) for node in nodes]
        members = {k: v for k, v in vars(cls).items() if not k.startswith("__")}
        text = "".join(map(_dumped, nodes)) or _told([sorted(members), members])
        self._note(_name(cls), text)
        if not nodes:
            self.visit([*members.values(), *cls.__bases__])
        for node in nodes:
            self._follow(_names(node), dict(vars(module)) if module else {}, module)

    def _follow(self, names: Iterable[tuple[str, ...]], scope: Mapping[str, Any], module: ModuleType | None) -> None:
        for first, *rest in names:
            if first not in scope or first.startswith("__"):
                continue
            value, home, name = scope[first], module, first
            for part in rest:
                if not isinstance(value, ModuleType):
                    break
                home, name, value = value, part, getattr(value, part, None)
            if isinstance(value, (FunctionType, type, partial, MethodType)) or hasattr(value, "__wrapped__"):
                self.visit(value)
            if not isinstance(value, (FunctionType, type, ModuleType)) and home and self._is_ours(home):
                self._value(home, name, value)

    def _value(self, module: ModuleType, name: str, value: object) -> None:
        """A module-level value: the statements that make it, and itself where it cannot change."""
        label = f"{module.__name__}.{name}"
        if label in self.found or vars(module).get(name, value) is not value:
            return
        statements = module_file(module).bindings(name)
        if statements:
            self.found[label] = _hash("".join(map(_dumped, statements)) + _told(value, mutable=False))
            for statement in statements:
                self._follow(_names(statement), vars(module), module)
            return
        source, original = imported_from(module, name) or ("", "")
        home = sys.modules.get(source)
        if home is None:  # made by a program, or in a notebook
            self.found[label] = _hash(_told(value))
            self.visit(value)
        elif self._is_ours(home):
            self._value(home, original, value)

    def _local_imports(self, node: ast.AST, package: str) -> dict[str, Any]:
        """What a function imports in its body, of the project's own."""
        found: dict[str, Any] = {}
        for inner in _imports(node):
            match inner:
                case ast.Import(names=names):
                    for alias in names:
                        wanted = alias.name if alias.asname else alias.name.partition(".")[0]
                        if module := self._own_module(alias.name):
                            found[alias.asname or wanted] = module if alias.asname else sys.modules[wanted]
                case ast.ImportFrom(names=names):
                    source = absolute(inner, package)
                    if module := self._own_module(source):
                        for alias in names:
                            value = getattr(module, alias.name, None) or self._own_module(f"{source}.{alias.name}")
                            found[alias.asname or alias.name] = value
        return found

    def _own_module(self, name: str) -> ModuleType | None:
        for part in (name.partition(".")[0], name):  # the first without importing anything
            try:
                spec = importlib.util.find_spec(part)
            except (ImportError, ValueError):
                return None
            folders = spec.submodule_search_locations if spec else None
            if spec is None or not self._is_own_place(part, spec.origin or next(iter(folders or ()), None)):
                return None
        return importlib.import_module(name)

    def _is_ours(self, module: ModuleType | None) -> bool:
        return module is None or self._is_own_place(module.__name__, getattr(module, "__file__", None))

    def _is_own_place(self, name: str, file: str | None) -> bool:
        if name == _STORE or name.startswith(_STORE + "."):
            return False
        if file is None:
            return name == "__main__"
        if self._package and name.partition(".")[0] == self._package:
            return True
        return not _is_installed(file)

    def _note(self, label: str, text: str) -> None:
        """Keep a hash; namesakes, such as two lambdas of a module, are told apart by number."""
        number, free = 1, label
        while free in self.found:
            number += 1
            free = f"{label} #{number}"
        self.found[free] = _hash(text)


@lru_cache(_KNOWN)
def _is_installed(file: str) -> bool:
    path = Path(file).resolve()
    return any(path.is_relative_to(library) for library in _LIBRARIES) or "site-packages" in path.parts


@lru_cache(_KNOWN)
def _dumped(tree: ast.AST) -> str:
    return ast.dump(tree)


@lru_cache(_KNOWN)
def _imports(tree: ast.AST) -> tuple[ast.Import | ast.ImportFrom, ...]:
    return tuple(node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))


@lru_cache(_KNOWN)
def _names(tree: ast.AST) -> tuple[tuple[str, ...], ...]:
    """Every name that is read, with the attributes behind it: ``a.b.c`` as ("a", "b", "c")."""
    found: dict[tuple[str, ...], None] = {}
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and (parts or isinstance(node.ctx, ast.Load)):
            found[(node.id, *reversed(parts))] = None
    return tuple(found)


def _code_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_names(constant)


def _code_text(code: CodeType) -> str:
    constants = [_code_text(c) if isinstance(c, CodeType) else _told(c) for c in code.co_consts]
    return repr((code.co_code, code.co_names, constants))


def _told(value: object, *, mutable: bool = True) -> str:
    """A value as text that is equal for equal values in any process; empty for what has no such text."""
    match value:
        case re.Pattern():
            return f"{value.pattern!r}{value.flags}"
        case enum.Enum():
            return str(value)
        case tuple():
            return f"({','.join(_told(v, mutable=mutable) for v in value)})"
        case frozenset():
            return f"{{{','.join(sorted(_told(v, mutable=mutable) for v in value))}}}"
        case list() | set() | dict() if mutable:
            items = list(value.items()) if isinstance(value, dict) else value
            parts = [_told(v) for v in items]
            return f"[{','.join(parts if isinstance(value, list) else sorted(parts))}]"
        case _:
            return f"{type(value).__name__} {value!r}" if isinstance(value, _IMMUTABLE) else ""


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
