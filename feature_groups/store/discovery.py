"""Finding declarations: every module of a package that holds feature groups."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator
from types import ModuleType

from feature_groups.store.dataset_plan import DatasetPlan
from feature_groups.store.errors import AlluviaError, InvalidDeclaration
from feature_groups.store.feature_group import FeatureGroup


def discover(package: str) -> list[FeatureGroup]:
    """The feature groups declared in the modules of a package, in dependency order.

    A module's name is its groups' name, the variable ``v1`` its version 1. Modules may import each other's groups
    under any name, and have other names for their own.

    Raises:
        InvalidDeclaration: A module cannot be imported, a group is not named like its module and variable, or two
            declarations share a name and version.
    """
    found: dict[str, FeatureGroup] = {}
    strangers: list[tuple[FeatureGroup, str]] = []
    for module in _modules(package):
        name, own = module.__name__.rpartition(".")[2], [g for g in vars(module).items() if _is_group(g[1])]
        for variable, group in own:
            if group.name != name:
                strangers.append((group, f"{module.__file__}, where its name does not match the module's"))
            elif found.setdefault(group.id, group) is not group:
                raise _misplaced(group, f"{module.__file__} a second time")
            elif not any(g is group and v == f"v{group.version}" for v, g in own):
                raise _misplaced(group, f"{module.__file__} as {variable!r}, not as 'v{group.version}'")
    for group, place in strangers:
        if not _declared_well(group):
            raise _misplaced(group, place)
    return in_order(found.values())


def discover_plans(package: str) -> list[DatasetPlan]:
    """The training datasets declared in the modules of a package, by the view's name.

    Raises:
        InvalidDeclaration: A module cannot be imported, or a view is not named like its module.
    """
    found: dict[str, DatasetPlan] = {}
    for module in _modules(package):
        name = module.__name__.rpartition(".")[2]
        for plan in (value for value in vars(module).values() if isinstance(value, DatasetPlan)):
            if plan.view.name != name:
                raise InvalidDeclaration(
                    plan.view.where,
                    what=f"It is declared in {module.__file__}.",
                    state="was not declared",
                    next_step="give every view a module of its own name.",
                )
            found[plan.view.id] = plan
    return [found[key] for key in sorted(found)]


def _modules(package: str) -> Iterator[ModuleType]:
    names = [package]
    for name in names:
        try:
            module = importlib.import_module(name)
        except AlluviaError:
            raise
        except Exception as error:
            raise InvalidDeclaration(
                f"module {name!r}",
                what=f"It cannot be imported: {_explained(error)}",
                state="was not read; no group was refreshed",
                next_step="correct it and run the same again." if name != package else "name another package.",
            ) from error
        if name == package:
            paths = getattr(module, "__path__", ())
            names += sorted(i.name for i in pkgutil.iter_modules(paths, package + ".") if not i.ispkg)
        else:
            yield module


def _explained(error: Exception) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}" + ("" if isinstance(error, SyntaxError) else place)


def _is_group(value: object) -> bool:
    return isinstance(value, FeatureGroup)


def _declared_well(group: FeatureGroup) -> bool:
    modules = [m for name, m in list(sys.modules.items()) if name.rpartition(".")[2] == group.name]
    return any(getattr(m, f"v{group.version}", None) is group for m in modules)


def _misplaced(group: FeatureGroup, place: str) -> InvalidDeclaration:
    return InvalidDeclaration(
        group.where,
        what=f"It is declared in {place}.",
        state="was not declared",
        next_step="give every group a module of its own name, and every version one variable: v1 = FeatureGroup(...).",
    )


def in_order(groups: Iterable[FeatureGroup]) -> list[FeatureGroup]:
    """The groups so that each comes after the groups it reads; otherwise by name."""
    left = {g.id: g for g in sorted(groups, key=lambda g: g.id)}
    done: list[FeatureGroup] = []
    while left:
        # Declarations are values that name values made before them, so there can be no cycle.
        ready = next(g for g in left.values() if not any(u.id in left for u in g.upstream))
        done.append(left.pop(ready.id))
    return done
