"""`alluvia show` and `alluvia history`: what is known of one thing, and what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.output import Answer, facts, frame_table, plain, table
from deployments.cli.verb import Shared

if TYPE_CHECKING:
    from rich.console import RenderableType

    from models.lineage import Branch

Named = Annotated[
    str,
    typer.Argument(
        help="A feature group or view (ratings, ratings_v1), a training dataset (age_gate/3), or a release (its first "
        "digits, champion, challenger).",
        show_default=False,
    ),
]


def show(shared: Shared, name: Named) -> Answer:
    """Everything of one group, view, training dataset or release: contract, statistics, lineage, history."""
    from models.described import described
    from models.lake_map import LakeMap

    found = described(LakeMap(shared.store), name)
    near = [
        (word, ", ".join(_told(branch) for branch in branches))
        for word, branches in (("made from", found.made_from), ("leads to", found.made_of_it))
        if branches
    ]
    parts: list[RenderableType] = [facts(found.title, [*found.facts, *near])]
    if found.columns:
        head = ("name", "type", "null", "unit", "tags", "description")
        used = [name for name in head if any(column[name] for column in found.columns)]
        parts.append(table("Columns", used, [[column[name] for name in used] for column in found.columns]))
    if found.figures:
        parts.append(
            table("Figures", ("name", "value"), [(k, f"{v:.4f}") for k, v in found.figures.items()], ["value"])
        )
    if found.statistics:
        parts.append(f"{found.statistics!r}\n")
    if found.history.height:
        parts.append(frame_table("History, newest first", found.history))
    document = plain(found) | {"statistics": found.statistics.to_json() if found.statistics else None}
    return Answer(document, parts)


def history(
    shared: Shared,
    name: Named,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only the newest so many.")] = None,
) -> Answer:
    """Who did what, when, why, with how many rows: commits of a group, datasets of a view, switches of a release."""
    from models.history_of import history_of
    from models.lake_map import LakeMap

    lake = LakeMap(shared.store)
    thing = lake.find(name)
    found = history_of(lake, thing, limit)
    if not found.height:
        return Answer([], [f"Nothing happened to the {thing} yet."])
    return Answer(found, [frame_table(f"History of the {thing}", found)])


def _told(branch: Branch) -> str:
    at = "" if branch.version is None else f" at version {branch.version}"
    note = f" ({branch.note})" if branch.note and branch.thing.kind != "view" else ""
    return f"{branch.thing.name[:40]}{at}{note}" if branch.thing.kind != "release" else f"{branch.thing}{note}"
