"""Golden vectors: the same bytes at home, a millionth abroad, and nothing more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import models.golden
from members import Weights, weights
from models.artefact import made_with, pack, unpack
from models.errors import GoldenDiffers, InvalidParts, InvalidRelease
from models.golden import Golden
from models.loaded_release import load
from models.parts import Member
from models.release import Release
from released import registry, release

ROWS = pl.DataFrame(
    {
        "user_id": [1, 2, None],
        "title": ["a", "ü::", None],
        "history": [[1, 2], [], None],
        "poster": [b"\x00\xff", b"", None],
        "at": [datetime(2001, 1, 1, tzinfo=UTC)] * 3,
        "x": [0.5, -1.5, float("nan")],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)


def answer(rows: pl.DataFrame, *, shift: float = 0.0, item: int = 0) -> dict[str, NDArray[Any]]:
    scores = rows["x"].to_numpy() + 1 + shift
    items = np.arange(rows.height * 2).reshape(-1, 2) + item
    return {"score": scores, "items": items, "minor": scores > 1}


def elsewhere(monkeypatch: pytest.MonkeyPatch, **changed: str) -> None:
    monkeypatch.setattr(models.golden, "made_with", lambda: {**made_with(), **changed})


def test_golden_vectors_come_back_bit_for_bit() -> None:
    golden = Golden.asked(ROWS, answer)
    packed = pack(golden)
    back = Golden.of(unpack(packed.data, packed.sha256))
    assert back.rows.equals(ROWS)
    assert back.rows.schema == ROWS.schema
    assert back.answers.keys() == golden.answers.keys()
    assert all(back.answers[n].tobytes() == golden.answers[n].tobytes() for n in golden.answers)
    assert pack(back).sha256 == packed.sha256
    assert back.compare(answer).equal


def test_at_home_one_bit_is_refused_with_numbers() -> None:
    golden = Golden.asked(ROWS, answer)
    with pytest.raises(GoldenDiffers, match=r"same lock and CPU family, 2 of 3 in 'score' differ, by up to 1\.48e-16"):
        golden.check(lambda rows: {**answer(rows), "score": np.nextafter(answer(rows)["score"], 9)}, "release abc")


@pytest.mark.parametrize("moved", ["lock", "cpu"])
def test_elsewhere_a_millionth_is_let_through_and_said(monkeypatch: pytest.MonkeyPatch, moved: str) -> None:
    golden = Golden.asked(ROWS, answer)
    elsewhere(monkeypatch, **{moved: "another"})
    assert golden.check(answer, "it").equal
    found = golden.check(lambda rows: answer(rows, shift=5e-7), "it")
    assert (found.passed, found.equal) == (True, False)
    assert 4.9e-7 < found.largest < 5.1e-7
    assert f"another {moved}" in found.said
    with pytest.raises(GoldenDiffers, match=r"up to 2e-06"):
        golden.check(lambda rows: answer(rows, shift=2e-6), "it")


@pytest.mark.parametrize(
    "other",
    [
        lambda rows: answer(rows, item=1),
        lambda rows: {**answer(rows), "minor": np.array([True, True, True])},
        lambda rows: {**answer(rows), "score": answer(rows)["score"].astype(np.float32)},
        lambda rows: {**answer(rows), "score": answer(rows)["score"][:2]},
        lambda rows: {**answer(rows), "score": np.array([1.5, np.nan, np.nan])},
        lambda rows: {"score": answer(rows)["score"]},
    ],
)
def test_other_items_routes_types_shapes_or_gaps_are_refused_everywhere(
    monkeypatch: pytest.MonkeyPatch, other: models.golden.Answer
) -> None:
    golden = Golden.asked(ROWS, answer)
    assert not golden.compare(other).passed
    elsewhere(monkeypatch, cpu="another")
    assert not golden.compare(other).passed


def test_large_numbers_are_compared_relatively(monkeypatch: pytest.MonkeyPatch) -> None:
    golden = Golden.asked(ROWS, lambda rows: {"score": np.full(3, 1e9)})
    elsewhere(monkeypatch, cpu="another")
    assert golden.compare(lambda rows: {"score": np.full(3, 1e9 + 100)}).passed
    assert not golden.compare(lambda rows: {"score": np.full(3, 1e9 + 10_000)}).passed


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(InvalidParts, match="There are 0 rows"):
        Golden.asked(ROWS.clear(), answer)
    with pytest.raises(InvalidParts, match="There are 101 rows"):
        Golden.asked(pl.DataFrame({"x": [0.0] * 101}), answer)
    with pytest.raises(InvalidParts, match=r"'score' is float64 of shape \(1,\)"):
        Golden.asked(ROWS, lambda rows: {"score": np.zeros(1)})


class Ensemble:
    """Adds up what its members say."""

    def __init__(self, members: dict[str, Member], chosen: Release, bias: float = 0.0) -> None:
        self.members, self.bias = [m for m in members.values() if isinstance(m, Weights)], bias

    def answer(self, rows: pl.DataFrame) -> dict[str, NDArray[Any]]:
        asked = np.vander(rows["x"].to_numpy(), 4)
        return {"score": sum((m.answer(asked) for m in self.members), np.zeros(rows.height)) + self.bias}


def test_a_loaded_release_has_answered_its_golden_vectors(lake: Path) -> None:
    made = registry(lake)
    plain = release(made, 1)
    rows = pl.DataFrame({"x": [0.1, 0.2, 0.3]})
    model = Ensemble(made.members(plain, [Weights]), plain)
    whole = Release(**{**vars(plain), "golden": made.put(Golden.asked(rows, model.answer))})
    made.promote(made.release(whole))
    champion = made.champion()
    assert champion is not None
    loaded = load(made, champion, [Weights], lambda members, r: Ensemble(dict(members), r))
    assert loaded.golden.equal
    assert loaded.model.answer(rows)["score"].tobytes() == model.answer(rows)["score"].tobytes()
    with pytest.raises(GoldenDiffers, match=r"3 of 3 in 'score' differ, by up to 0\.000"):
        load(made, champion, [Weights], lambda members, r: Ensemble(dict(members), r, bias=0.001))
    with pytest.raises(InvalidRelease, match="no golden vectors"):
        load(made, plain, [Weights], lambda members, r: Ensemble(dict(members), r))
    assert weights(1).kind in {reference.kind for reference in champion.stored.values()}
