"""A model card: one release on one self-contained page, made of facts of its manifest and its evaluation report."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.evaluation_report import EvaluationReport
from models.gates import Verdict
from models.page import page
from models.release import Release
from models.report_text import html_table


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
        ("Policy", _paragraphs(text.policy) + _numbers("threshold", release.thresholds)),
        ("Gates", verdict._repr_html_() if verdict else "<p>No gate was asked.</p>"),
        ("Evaluation", report._repr_html_() if report else "<p>It was not evaluated.</p>"),
        ("Members", _members(release)),
        ("Data", _data(release) + _paragraphs(f"Licence: {text.licence}" if text.licence else "")),
        ("Lineage", _lineage(release, ancestry)),
    ]
    outcome = "blessed" if release.blessed else "refused" if verdict else "not judged"
    lead = f'<p>Release <code>{release.id}</code>, <b class="{outcome.replace(" ", "-")}">{outcome}</b></p>'
    return page(f"Model card: {text.name}", lead, sections, heading=text.name)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n") if part.strip())


def _numbers(what: str, figures: Mapping[str, float]) -> str:
    return (
        html_table((what, "value"), [[name, f"{value:g}"] for name, value in sorted(figures.items())])
        if figures
        else ""
    )


def _members(release: Release) -> str:
    rows = [
        [role, m.kind, m.content[:16], f"{m.bytes:,}", ", ".join(sorted(release.trained_on.get(role, ())))]
        for role, m in sorted(release.members.items())
    ]
    return html_table(("role", "kind", "content", "bytes", "trained on predictions of"), rows)


def _data(release: Release) -> str:
    groups = [[g.group, str(g.version), g.fingerprint, g.table_id] for g in release.groups]
    datasets = [[d.view, str(d.number), d.split, str(d.seed), d.contract[:16]] for d in release.datasets]
    return html_table(("feature group", "version", "fingerprint", "table"), groups) + html_table(
        ("view", "training dataset", "split", "seed", "contract"), datasets
    )


def _lineage(release: Release, ancestry: Sequence[Release]) -> str:
    facts = [["code", release.code], ["flow run", release.flow_run], *map(list, sorted(release.made_with.items()))]
    facts += [["parent", release.parent or "none"], ["evaluation report", release.report or "none"]]
    parents = [[r.id[:16], "blessed" if r.blessed else "not blessed", _few(r.metrics)] for r in ancestry]
    shown = html_table(("release", "gates", "figures"), parents) if parents else ""
    return html_table(("what", "value"), [fact for fact in facts if fact[1]]) + shown


def _few(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items())[:6])
