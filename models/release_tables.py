"""A release as tables in HTML: for its card and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from feature_groups.store.html_table import html_table

if TYPE_CHECKING:
    from models.release import Release


def release_tables(release: Release) -> str:
    """The whole release: whether it passed its gates, its figures, what answers, and what it was made from."""
    outcome = "blessed" if release.blessed else "refused" if release.verdict else "not judged"
    title = f"<p><b>release {release.id[:12]}</b>, {outcome}</p>"
    figures = number_table("figure", release.metrics) + number_table("threshold", release.thresholds)
    return title + figures + member_table(release) + data_tables(release)


def number_table(what: str, figures: Mapping[str, float]) -> str:
    """Figures by name; nothing where there are none."""
    rows = [[name, f"{value:g}"] for name, value in sorted(figures.items())]
    return html_table((what, "value"), rows) if rows else ""


def member_table(release: Release) -> str:
    """Its members by role."""
    rows = [
        [role, m.kind, m.content[:16], f"{m.bytes:,}", ", ".join(sorted(release.trained_on.get(role, ())))]
        for role, m in sorted(release.members.items())
    ]
    return html_table(("role", "kind", "content", "bytes", "trained on predictions of"), rows)


def data_tables(release: Release) -> str:
    """The versions of feature groups and the training datasets that it was made from."""
    groups = [[g.group, str(g.version), g.fingerprint, g.table_id] for g in release.groups]
    datasets = [[d.view, str(d.number), d.split, str(d.seed), d.contract[:16]] for d in release.datasets]
    return html_table(("feature group", "version", "fingerprint", "table"), groups) + html_table(
        ("view", "training dataset", "split", "seed", "contract"), datasets
    )


def lineage_tables(release: Release, ancestry: Sequence[Release]) -> str:
    """What made it, and the releases before it."""
    facts = [["code", release.code], ["flow run", release.flow_run], *map(list, sorted(release.made_with.items()))]
    facts += [["parent", release.parent or "none"], ["evaluation report", release.report or "none"]]
    parents = [[r.id[:16], "blessed" if r.blessed else "not blessed", _few(r.metrics)] for r in ancestry]
    shown = html_table(("release", "gates", "figures"), parents) if parents else ""
    return html_table(("what", "value"), [fact for fact in facts if fact[1]]) + shown


def _few(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items())[:6])
