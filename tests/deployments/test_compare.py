"""`make compare`: what is typed is refused, or understood, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments import compare, server
from deployments.variants import variant
from models.film_parameters import FilmParameters


def test_a_variant_is_the_declared_one_but_for_what_it_says() -> None:
    assert variant("") == FilmParameters()
    assert variant("miss_cost=3,penalties=[100,500.5],segment_weights=false") == FilmParameters(
        miss_cost=3, penalties=(100, 500.5), segment_weights=False
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miss_cst=3", "There is no parameter 'miss_cst'. Did you mean 'miss_cost'?"),
        ("miss_cost=three", "What follows 'miss_cost' is no JSON value."),
        ("miss_cost", "What follows 'miss_cost' is no JSON value."),
        ("miss_cost=3,miss_cost=4", "'miss_cost' stands twice."),
        ("miss_cost=3 band=0.1", "What follows miss_cost=3 is no comma: ' band=0.1'."),
        ("miss_cost=-1", "miss_cost: Input should be greater than 0"),
        ("penalties=[]", "penalties: "),
    ],
)
def test_what_cannot_be_meant_is_told_before_a_server_is_started(
    text: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALLUVIA_HOME", str(tmp_path))

    code = compare.main(["miss_cost=5", text, "--lake", str(tmp_path / "lake")])

    told = capsys.readouterr()
    assert (code, told.out) == (1, "")
    assert told.err.startswith(f"FG404 invalid settings: variant {text!r} was not trained.")
    assert said in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_told_in_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALLUVIA_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    code = compare.main(["--lake", str(tmp_path / "lake")])

    assert code == 1
    assert "FG405 Prefect server unavailable: the configured Prefect server http://127.0.0.1:9/api" in (
        capsys.readouterr().err
    )
    assert server.server_status(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
