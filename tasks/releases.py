"""Show what a release is, and switch to it where it was blessed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from models.evaluation_report import EvaluationReport
from models.gates import Verdict
from models.model_card import CardText, model_card
from models.page import write_page
from models.registry import Registry
from tasks.artifacts import publish_page
from tasks.events import ModelReleased, emit
from tasks.retries import retried

Promotion = Literal["champion", "challenger", "none"]
"""What a blessed candidate becomes."""


@retried("release {made[release]:.12}")
def publish_release(
    registry: Registry, made: Mapping[str, Any], text: CardText, cards: Path, *, promote: Promotion
) -> str:
    """Write the model card, promote what was blessed, and tell who listens; returns the card's path.

    The card comes first: whoever serves has one, wherever this is interrupted.
    """
    release = registry.get(made["release"])
    stored = registry.report(release)
    report = EvaluationReport.from_json(stored) if stored else None
    page = model_card(release, report, text, ancestry=registry.ancestry(made["release"]))
    path = write_page(cards / f"{made['release'][:12]}.html", page)
    verdict = Verdict.from_json(release.verdict)
    pages = [f"# Release {made['release'][:12]}", verdict.to_markdown(), report.to_markdown() if report else ""]
    create_markdown_artifact(
        key="evaluation-films", markdown="\n\n".join(pages), description=repr(verdict).splitlines()[0]
    )
    publish_page("model-card-films", path, "model card")
    if made["blessed"] and promote != "none":
        switch = registry.promote if promote == "champion" else registry.challenge
        switch(made["release"], reason="blessed by every gate")
    create_table_artifact(
        key="metrics-films",
        table=_told(registry),
        description="Every release, newest first: what it was measured to be, each on its own test window.",
    )
    emit(ModelReleased(registry.name, made["release"], made["blessed"], registry.state().number), registry.metadata)
    return str(path)


def _told(registry: Registry) -> list[dict[str, Any]]:
    champion = registry.champion()
    rows = []
    for recorded in reversed(registry.releases()):
        release = registry.get(recorded.id)
        role = "champion" if champion and champion.id == recorded.id else ""
        figures = {name: round(value, 4) for name, value in sorted(release.metrics.items())}
        rows.append({"release": recorded.id[:12], "made (UTC)": recorded.at[:16], "now": role, **figures})
    return rows
