"""A model card: one release on one self-contained page, made of facts of its manifest and its evaluation report."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from models.evaluation_report import EvaluationReport
from models.gates import Verdict
from models.release import Release
from models.release_tables import data_tables, lineage_tables, member_table, number_table

_STYLE = """body{font:15px/1.5 sans-serif;color:#2d3748;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.6rem 0;font-size:13px}th,td{border:1px solid #e2e8f0;padding:3px 8px;
text-align:left;overflow-wrap:anywhere}th{background:#f7fafc}h1{font-size:1.6rem}h2{font-size:1.2rem;
border-bottom:1px solid #e2e8f0}.blessed{color:#2f855a}.refused{color:#c53030}code{overflow-wrap:anywhere}
svg{display:block;max-width:100%;margin:.6rem 0}"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


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
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in sections if content)
    name = html.escape(text.name)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Model card: {name}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{name}</h1><p>Release <code>{release.id}</code>, "
        f'<b class="{outcome.replace(" ", "-")}">{outcome}</b></p>{body}</body></html>\n'
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n") if part.strip())
