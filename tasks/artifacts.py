"""What a run leaves in the dashboard, under keys that stay the same from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from feature_groups.store import Receipt, TrainingDataset
from feature_groups.store.errors import AlluviaError
from feature_groups.store.history import Commit
from feature_groups.store.step_plan import Plan

SHOWN = 20
"""How many of a group's commits a person sees."""


def artifact_key(kind: str, group: str) -> str:
    """``commits-ratings-v1``: lower case, digits and dashes, as Prefect wants it."""
    return f"{kind}-{group.replace('_', '-')}"


def publish_receipt(receipt: Receipt, history: Sequence[Commit]) -> None:
    """The group's newest commits as a table, and what the contract found and the batch's statistics as a page.

    Args:
        receipt: Of the newest write.
        history: Of the group, newest first; so many rows has the table.
    """
    create_table_artifact(
        key=artifact_key("commits", receipt.group),
        table=[
            {
                "version": commit.version,
                "committed (UTC)": f"{commit.committed_at:%Y-%m-%d %H:%M:%S}",
                "operation": commit.operation,
                "inserted": commit.inserted,
                "updated": commit.updated,
                "deleted": commit.deleted,
                "who": commit.who,
                "why": commit.why,
            }
            for commit in history
        ],
        description=str(receipt),
    )
    report = receipt.report
    if report is not None:
        create_markdown_artifact(
            key=artifact_key("contract", receipt.group),
            markdown=f"# Contract of {receipt.group}\n\n{_page(str(report))}\n\n## Statistics\n\n"
            f"{_page(repr(receipt.statistics))}",
            description=f"{report.bad_rows:,} of {report.rows:,} rows break {len(report.findings)} of "
            f"{report.rules} rules",
        )


def publish_failure(group: str, error: AlluviaError) -> None:
    """A refused batch, where the contract report of a good one would stand."""
    create_markdown_artifact(
        key=artifact_key("contract", group),
        markdown=f"# {error.code} {error.title}\n\n{_page(str(error))}",
        description=f"{error.code}: {error.where} {error.state}",
    )


def publish_dataset(dataset: TrainingDataset) -> None:
    """A training dataset: its parts, what it is pinned to, and the statistics of every part."""
    pages = [f"## {name}\n\n{_page(repr(dataset.statistics(name)))}" for name in dataset.parts]
    create_markdown_artifact(
        key=artifact_key("dataset", str(dataset.manifest["view"])),
        markdown="\n\n".join([f"# {dataset.where}", _page(repr(dataset)), *pages]),
        description=f"Training dataset {dataset.number}, {dataset.manifest['split_text']}",
    )


def publish_summary(rows: Sequence[Mapping[str, Any]]) -> None:
    """The run's closing table."""
    create_table_artifact(
        key="refresh",
        table=[{k: v for k, v in row.items() if v != ""} for row in rows],
        description="What was refreshed, and why.",
    )


def publish_page(key: str, page: Path, name: str) -> None:
    """A link to a page beside the lake; and its path, since browsers follow no link from a dashboard to a file."""
    told = f"Where a browser does not follow this link to a file, open `{page}` on the lake's machine."
    create_link_artifact(key=key, link=page.as_uri(), link_text=name, description=told)


def publish_plan(plan: Plan) -> None:
    """What a run is about to do, before it does."""
    rows = [{"step": step.name, "outcome": step.outcome, "why": step.why} for step in plan]
    create_table_artifact(key="plan", table=rows, description=plan.title)


class Progress:
    """How many steps of a run are done, shown from its first piece of work on: an idle run asks for nothing.

    Args:
        steps: Of the run.
        key: The artifact's, ``<key>-progress``.
        description: What is done.
    """

    def __init__(self, steps: int, key: str, description: str) -> None:
        self._steps, self._key, self._description = steps, f"{key}-progress", description
        self._id: UUID | None = None

    def start(self, done: int) -> None:
        """Show the bar, if it is not shown yet."""
        if self._id is None:
            made: Any = create_progress_artifact(
                progress=100 * done / self._steps, key=self._key, description=self._description
            )
            self._id = made

    def advance(self, done: int) -> None:
        """Move the bar, if it is shown."""
        if self._id is not None:
            update_progress_artifact(self._id, progress=100 * done / self._steps)


def _page(text: str) -> str:
    return f"```\n{text}\n```"
