"""What a feature view is, for people: its facts, its columns, its datasets, and a picture of what is joined to what."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from feature_groups.store.feature_view import FeatureView
from feature_groups.store.html_table import html_facts, html_table
from feature_groups.store.training_dataset import TrainingDataset
from feature_groups.store.view_picture import picture

_HEAD = ("column", "type", "role", "from", "unit", "description")


@dataclass(frozen=True)
class ViewDescription:
    """A view's facts and columns; prints as text, shows as HTML with a picture.

    Attributes:
        title: ``name vN: description``.
        facts: (what, value) pairs.
        columns: (name, type, role, group, unit, description) per column.
        picture: The spine, the groups, and by which keys they are joined, as SVG.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, ...], ...]
    picture: str

    def __str__(self) -> str:
        width = max(len(k) for k, _ in self.facts)
        lines = [self.title, *(f"  {k.ljust(width)}  {v}" for k, v in self.facts)]
        rows = [_HEAD, *self.columns]
        widths = [max(len(r[i]) for r in rows) for i in range(len(_HEAD))]
        lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = html_facts(self.facts) + html_table(_HEAD, self.columns)
        return f"<h4>{html.escape(self.title)}</h4>{self.picture}{tables}"


def describe_view(view: FeatureView, datasets: Sequence[TrainingDataset] | None = None) -> ViewDescription:
    """Gather what there is to say about a view, and where its lake is known about its training datasets."""
    spec = view.spec
    facts = [
        ("one row", spec.grain),
        ("instants", f"{view.event_time}; event times {'before' if view.strict else 'at or before'} them count"),
        ("knowledge", "what was known at the instant" if view.known == "as_of_event" else "the pinned versions"),
        ("split by", ", ".join(view.entity)),
        *((f"max age of {group}", str(age)) for group, age in view.max_age.items()),
        *((f"source delay of {group}", str(delay)) for group, delay in view.source_delay.items()),
        *(
            (
                f"history {name}",
                f"{', '.join(h.query.columns)} of {h.query.group}" + (f", last {h.last}" if h.last else ""),
            )
            for name, h in view.histories.items()
        ),
        *((name, value) for name, value in (("datasets", _datasets(datasets)), ("owner", view.owner)) if value),
    ]
    columns = [
        (o.name, o.spec.type, role.removesuffix("s").replace("_", " "), str(o.group), o.spec.unit, o.spec.description)
        for role in view.roles
        for o in view.outputs(role)
    ]
    columns += [(t.name, t.type, "feature", "computed on demand", "", t.description) for t in view.transforms]
    columns += [
        (name, "", role.removesuffix("s").replace("_", " "), "the spine", "", "")
        for role, (_, brought) in view.roles.items()
        for name in brought
    ]
    return ViewDescription(
        f"{view.name} v{view.version}: {view.description}", tuple(facts), tuple(columns), picture(view)
    )


def _datasets(made: Sequence[TrainingDataset] | None) -> str:
    if not made:
        return "" if made is None else "0"
    return f"{len(made)}, the newest of {made[-1].manifest['created_at'][:10]}"
