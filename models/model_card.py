"""A model card: one release on one self-contained page, made of facts of its manifest and its evaluation report."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from models.evaluation_report import EvaluationReport
from models.gates import Verdict
from models.page import page
from models.release import Release
from models.release_tables import data_tables, lineage_tables, member_table, number_table


@dataclass(frozen=True)
class CardText:
    """What only people can say.

    Attributes:
        name: Of the model.
        intended_use: What it is for.
        limits: What it is not for.
        policy: The routing and catalogue policy, in words.
        licence: Terms of the data it was made from.
    """

    name: str
    intended_use: str
    limits: str = ""
    policy: str = ""
    licence: str = ""


def model_card(
    release: Release, report: EvaluationReport | None, text: CardText, *, ancestry: Sequence[Release] = ()
) -> str:
    """The page as HTML: nothing in it points outside, and every name and text is escaped.

    Args:
        release: Its manifest.
        report: Its evaluation, or None where there is none.
        text: What only people can say.
        ancestry: The release and its parents, see `Registry.ancestry`.
    """
    verdict = Verdict.from_json(release.verdict) if release.verdict else None
    sections = [
        ("Intended use", _paragraphs(text.intended_use)),
        ("Not for", _paragraphs(text.limits)),
        ("Policy", _paragraphs(text.policy) + number_table("threshold", release.thresholds)),
        ("Gates", verdict._repr_html_() if verdict else "<p>No gate was asked.</p>"),
        ("Evaluation", report._repr_html_() if report else "<p>It was not evaluated.</p>"),
        ("Members", member_table(release)),
        ("Data", data_tables(release) + _paragraphs(f"Licence: {text.licence}" if text.licence else "")),
        ("Lineage", lineage_tables(release, ancestry)),
    ]
    outcome = "blessed" if release.blessed else "refused" if verdict else "not judged"
    lead = f'<p>Release <code>{release.id}</code>, <b class="{outcome.replace(" ", "-")}">{outcome}</b></p>'
    return page(f"Model card: {text.name}", lead, sections, heading=text.name)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n") if part.strip())
