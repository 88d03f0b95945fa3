"""The models that the documents show are what they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

import models
from models import film_cascade
from models.cascade_fit import fit_cascade
from models.out_of_fold_fit import fit_out_of_fold, stratified_folds

PROJECT = Path(__file__).parents[2]


def blocks(page: str, heading: str = "") -> list[str]:
    """The Python of a page, or of one of its sections."""
    text = (PROJECT / page).read_text()
    if heading:
        text = text.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    return [part.split("\n```", 1)[0] for part in text.split("```python\n")[1:]]


def documented(monkeypatch: pytest.MonkeyPatch, name: str, heading: str) -> ModuleType:
    """The module that CONTRIBUTING would have one add to `models`."""
    made = ModuleType(f"models.{name}")
    (source,) = blocks("CONTRIBUTING.md", heading)
    exec(compile(source, f"{name}.py", "exec"), made.__dict__)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.setattr(models, name, made, raising=False)
    return made


def visits(n: int = 200) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    pages = draw.integers(1, 30, n)
    came_back = draw.random(n) < pages / 30
    spent = np.where(came_back, 5.0, -1.0) * pages + draw.normal(size=n)
    return pl.DataFrame({"user_id": np.arange(n), "pages": pages, "came_back": came_back, "spent": spent})


def test_the_model_and_the_cascade_that_one_is_shown_to_add_are_fitted_and_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = documented(monkeypatch, "return_visit", "Add a model").v1
    cascade = documented(monkeypatch, "front_page", "Add a cascade").v1
    rows = visits()

    _, found = fit_out_of_fold(model, rows, stratified_folds(model, rows))
    decided = fit_cascade(cascade, rows).cascade.decide(rows)

    scores = found.frame
    mean = dict(scores.group_by("label").agg(pl.col("oof_score").mean()).iter_rows())
    assert mean[True] > mean[False] + 0.1
    assert set(decided["route"]) == {"passers_by", "regulars"}
    assert decided.filter(route="regulars")["answer"].mean() > decided.filter(route="passers_by")["answer"].mean()  # type: ignore[operator]


def test_the_cascade_of_the_documents_is_the_one_that_is_trained() -> None:
    named: dict[str, object] = {}
    exec(blocks("docs/cascade.md")[0], named)

    assert named["films"] == film_cascade.v1


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for page in [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
