"""How a verb is called: what every verb can be given, how its answer is printed, and how errors are told.

A verb is a function of `Shared` and its own arguments that returns an `Answer`. Exit codes: 0 done, 1 refused or
failed, 2 misuse of the command line, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from deployments.cli.output import Answer, print_answer
from deployments.command import INTERRUPTED, STOPPED, folder

if TYPE_CHECKING:
    from feature_groups.store import FeatureStore


@dataclass(frozen=True)
class Shared:
    """What every verb can be given.

    Attributes:
        lake: The lake's folder, absolute; None for the one in the settings.
        json: Whether one JSON document is printed instead of tables.
        verbose: Whether errors are told whole.
    """

    lake: Path | None = None
    json: bool = False
    verbose: bool = False

    @property
    def store(self) -> FeatureStore:
        """The lake, which must be there.

        Raises:
            InvalidSettings: There is none.
        """
        from feature_groups.store.connect import existing

        return existing(self.lake)


_OPTIONS = (
    ("lake", Annotated[Path | None, typer.Option(help="Folder of the lake; by default ALLUVIA_LAKE.")], None),
    ("as_json", Annotated[bool, typer.Option("--json", help="Print one JSON document.")], False),
    ("verbose", Annotated[bool, typer.Option("--verbose", help="Tell errors whole.")], False),
)


def add(app: typer.Typer, verb: Callable[..., Answer], *, panel: str, name: str | None = None) -> None:
    """Make a verb a command, which can be given ``--lake``, ``--json`` and ``--verbose`` as well.

    Args:
        app: Whose command.
        verb: Takes a `Shared` first; its docstring is the help.
        panel: Under which title the help lists it.
        name: Of the command; the function's by default.
    """

    @functools.wraps(verb)
    def command(*, lake: Path | None, as_json: bool, verbose: bool, **given: Any) -> None:
        shared = Shared(folder(lake), as_json, verbose)
        raise typer.Exit(_called(verb, shared, given))

    own = list(inspect.signature(verb, eval_str=True).parameters.values())[1:]
    more = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=a) for n, a, d in _OPTIONS]
    # Typer reads both.
    vars(command)["__signature__"] = inspect.Signature([*own, *more])
    command.__annotations__ = {p.name: p.annotation for p in (*own, *more)}
    app.command(name or verb.__name__, rich_help_panel=panel)(command)


def _called(verb: Callable[..., Answer], shared: Shared, given: dict[str, Any]) -> int:
    try:
        answer = verb(shared, **given)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if shared.verbose and not hasattr(error, "next_step"):
            raise
        print(_told(error, shared), file=sys.stderr)
        return 1
    print_answer(answer, as_json=shared.json)
    return answer.code


def _told(error: Exception, shared: Shared) -> str:
    """An error of ours in a line and a hint; any other as the defect that it is."""
    from feature_groups.store.errors import AlluviaError

    if not isinstance(error, AlluviaError):
        kind, hint = type(error).__name__, "run the same with --verbose to see where."
        told = {"code": "FG000", "title": "defect", "where": "alluvia", "what": f"{kind}: {error}", "next_step": hint}
        return json.dumps({"error": told}) if shared.json else f"{kind}: {error}\n  Next: {hint}"
    if shared.json:
        return json.dumps({"error": error.to_dict()})
    if shared.verbose:
        return str(error)
    first, *rest = error.what.strip().splitlines()
    more = f" (and {len(rest)} more lines: --verbose)" if rest else ""
    return f"{error.code} {error.title}: {error.where}: {first}{more}\n  Next: {error.next_step}"


class Verbs(TyperGroup):
    """The commands; with ``--json`` misuse is told in JSON as well."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> Any:
        """Run a command line and exit; see `typer.core.TyperGroup`."""
        given = sys.argv[1:] if args is None else list(args)
        if "--json" not in given:
            return super().main(given, *more, **named)
        try:
            code = super().main(given, *more, **{**named, "standalone_mode": False})
        except typer.TyperException as error:
            told = {"code": "usage", "title": "misuse", "what": error.format_message()}
            print(json.dumps({"error": told}), file=sys.stderr)
            code = error.exit_code
        sys.exit(code)
