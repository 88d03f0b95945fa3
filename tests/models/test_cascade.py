"""Cascades: declared, fitted on predictions out of fold, deciding with fallbacks, whole or refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from models.artefact import pack, unpack
from models.cascade import Branch, Cascade
from models.cascade_decision import FittedCascade
from models.cascade_fit import TrainedCascade, assembled, content_of, fit_branch, fit_cascade, fit_router, routed
from models.errors import CascadeFailed, FoldsMismatch, InvalidCascade, MixedLineage
from models.out_of_fold_fit import stratified_folds
from models.parts import Parts
from models.regression_branch import RegressionBranch
from models.release import Reference, Release
from models.threshold import RoutingPolicy
from small_cascade import NESTED, THREE, model, spending, visitors

ROWS, SERVED = visitors(), visitors(90, seed=1)


@cache
def trained(cascade: Cascade = THREE) -> TrainedCascade:
    return fit_cascade(cascade, ROWS, k=3)


@dataclass(frozen=True)
class Refuses:
    """A branch that answers visitors of some ids only."""

    kind: ClassVar[str] = "refuses"
    only: tuple[int, ...] = ()
    answer: Any = 1.0
    trained_on: Mapping[str, str] = field(default_factory=dict)

    def answers(self, rows: pl.DataFrame) -> pl.Series:
        if not set(rows["visitor"]) <= set(self.only):
            raise ZeroDivisionError("broken")
        return pl.Series([self.answer] * rows.height)

    def parts(self) -> Parts:
        return Parts({"only": list(self.only)})

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls()


def broken(name: str, branch: Any, cascade: FittedCascade | None = None) -> FittedCascade:
    whole = cascade or trained().cascade
    return replace(whole, branches={**whole.branches, name: branch})


def test_every_row_takes_one_route_and_gets_that_branch_s_answer() -> None:
    cascade = trained().cascade
    decided = cascade.decide(SERVED)

    assert decided.columns == ["route", "score", "reason", "path", "answer"]
    assert set(decided["route"]) == {"young", "middle", "retired"}
    assert set(decided["reason"]) == {"score"}
    probabilities = cascade.router.probabilities(SERVED)
    expected = np.array(["young", "middle", "retired"])[probabilities.argmax(axis=1)]
    assert decided["route"].to_list() == expected.tolist()
    assert np.array_equal(decided["score"], probabilities.max(axis=1))
    for name in ("young", "middle", "retired"):
        own = (decided["route"] == name).to_numpy()
        alone = cascade.branches[name].answers(SERVED.filter(own))  # type: ignore[union-attr]  # a branch, no cascade
        assert decided.filter(own)["answer"].to_numpy().tobytes() == alone.to_numpy().tobytes()
    assert cascade.routes(SERVED).equals(decided.select("route", "score", "reason"))
    assert cascade.decide(SERVED.clear()).columns == decided.columns


def test_branches_of_their_own_foretell_better_than_one_for_all() -> None:
    truth = SERVED["spent"].to_numpy()
    decided = trained().cascade.decide(SERVED)["answer"].to_numpy()
    one = trained().cascade.branches["anybody"].answers(SERVED).to_numpy()  # type: ignore[union-attr]  # a branch, no cascade

    assert np.abs(decided - truth).mean() < 0.3 * np.abs(one - truth).mean()


@pytest.mark.parametrize("cascade", [THREE, NESTED], ids=["three routes", "nested"])
def test_what_a_row_gets_does_not_depend_on_the_others(cascade: Cascade) -> None:
    fitted = trained(cascade).cascade
    whole = fitted.decide(SERVED)

    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.integers(0, 89), min_size=1, max_size=60))
    def rows_anyhow(chosen: list[int]) -> None:
        assert fitted.decide(SERVED[chosen]).equals(whole[chosen])

    rows_anyhow()
    assert pl.concat([fitted.decide(SERVED[n : n + 1]) for n in range(30)]).equals(whole[:30])


def test_branches_are_fitted_on_the_rows_that_the_router_sends_there_out_of_fold() -> None:
    table = trained().routed["router"]
    found = trained().out_of_fold["router"]

    assert table.select("visitor", "fold", "oof_score").equals(found.frame.select("visitor", "fold", "oof_score"))
    route, _ = THREE.policy.chosen(found.probabilities, THREE.routes)
    assert table["route"].to_list() == route.tolist()
    own = table.filter(route="young")
    again = spending().fit(own, table, {})
    ours = trained().cascade.branches["young"].answers(SERVED)  # type: ignore[union-attr]  # a branch, no cascade
    assert ours.equals(again.answers(SERVED))
    # In sample the tree is surer: its routes differ, and branches must not be fitted on them.
    in_sample = trained().cascade.router.probabilities(ROWS).argmax(axis=1)
    assert (np.array(THREE.routes)[in_sample] != route).any()


def test_a_cascade_within_a_cascade_decides_to_the_end_and_says_each_step() -> None:
    decided = trained(NESTED).cascade.decide(SERVED)

    assert set(decided["route"]) == {"grown_ups", "children/cake", "children/fruit"}
    inner = decided.filter(pl.col("route").str.starts_with("children"))
    steps = inner["path"].to_list()
    assert all([step["cascade"] for step in path] == ["shop", "sweets"] for path in steps)
    assert inner["score"].to_list() == [path[0]["score"] for path in steps]
    assert inner["route"].to_list() == [f"children/{path[1]['route']}" for path in steps]
    assert all(len(path) == 1 for path in decided.filter(route="grown_ups")["path"].to_list())
    band = decided.filter(reason="band")
    assert band["score"].is_between(0.2 - 0.05, 0.2 + 0.05).all()
    assert band["route"].str.starts_with("children").all()


@pytest.mark.parametrize("cascade", [THREE, NESTED], ids=["three routes", "nested"])
def test_a_cascade_comes_back_from_the_bytes_of_its_members(cascade: Cascade) -> None:
    fitted = trained(cascade).cascade
    members = fitted.members()
    artefacts = {role: pack(member) for role, member in members.items()}

    back = FittedCascade.of_members(
        {role: type(members[role]).of(unpack(a.data, a.sha256)) for role, a in artefacts.items()}
    )

    assert back.decide(SERVED).equals(fitted.decide(SERVED))
    assert back.routing == fitted.routing
    assert {role: pack(member).content for role, member in back.members().items()} == {
        role: a.content for role, a in artefacts.items()
    }
    expected = {"router", "routing", *(b.name for b in cascade.branches)}
    if cascade is NESTED:
        expected = expected - {"children"} | {f"children/{m}" for m in ("router", "routing", "cake", "fruit")}
    assert set(members) == expected


def test_training_again_gives_the_same_members_and_nothing_else_does() -> None:
    def contents(cascade: FittedCascade) -> dict[str, str]:
        return {role: pack(member).content for role, member in cascade.members().items()}

    first = contents(trained().cascade)
    again = contents(fit_cascade(THREE, ROWS, k=3).cascade)
    moved = contents(fit_cascade(THREE, ROWS.with_columns(spent=pl.col("spent") + 1), k=3).cascade)

    assert again == first
    assert {role for role in first if moved[role] != first[role]} == {"young", "middle", "retired", "anybody"}


def test_the_steps_one_by_one_make_the_same_cascade() -> None:
    router, found = fit_router(THREE, ROWS, stratified_folds(THREE.router, ROWS, k=3))
    table = routed(THREE, ROWS, found)
    upstream = {"router": content_of(router)}
    branches = {b.name: fit_branch(THREE, b.name, table, upstream, {}) for b in THREE.branches}
    ours = assembled(THREE, router, branches)

    assert {r: pack(m).content for r, m in ours.members().items()} == {
        r: pack(m).content for r, m in trained().cascade.members().items()
    }


def test_branches_say_on_whose_predictions_they_were_trained() -> None:
    fitted = trained(NESTED).cascade
    outer = content_of(fitted.router)
    inner = content_of(fitted.branches["children"].router)  # type: ignore[union-attr]  # a branch, no cascade

    assert fitted.router.out_of_fold == trained(NESTED).out_of_fold["router"].content
    assert fitted.trained_on() == {
        "grown_ups": {"router": outer},
        "children/router": {"router": outer},
        "children/cake": {"children/router": inner},
        "children/fruit": {"children/router": inner},
    }
    # What only takes over is fitted on everybody.
    assert "anybody" not in trained().cascade.trained_on()


def test_branches_of_another_router_are_refused_as_members_and_as_a_release() -> None:
    fitted = trained().cascade
    other = fit_cascade(replace(THREE, router=model("segment")), ROWS, k=3).cascade
    mixed = {**fitted.members(), "router": other.router}

    with pytest.raises(MixedLineage, match="'young' was trained on the out-of-fold predictions of the 'router'"):
        FittedCascade.of_members(mixed)

    def release(members: Mapping[str, Any]) -> Release:
        packed = {role: pack(member) for role, member in members.items()}
        references = {r: Reference(a.kind, a.content, a.sha256, len(a.data)) for r, a in packed.items()}
        return Release(references, trained_on=fitted.trained_on())

    release(fitted.members()).check()
    with pytest.raises(MixedLineage):
        release(mixed).check()


def test_other_out_of_fold_predictions_make_another_router_even_where_it_says_the_same() -> None:
    folds = [stratified_folds(THREE.router, ROWS, k=3, seed=seed) for seed in (0, 1)]
    one, other = (fit_router(THREE, ROWS, f)[0] for f in folds)

    assert one.raw(SERVED).tobytes() == other.raw(SERVED).tobytes()
    assert content_of(one) != content_of(other)


def test_a_missing_member_is_named() -> None:
    members = trained(NESTED).cascade.members()
    del members["children/cake"]

    with pytest.raises(InvalidCascade, match="lacks the members children/cake"):
        FittedCascade.of_members(members)


def test_rows_on_which_a_branch_fails_are_answered_by_what_stands_in(caplog: pytest.LogCaptureFixture) -> None:
    whole = trained().cascade.decide(SERVED)
    middle = SERVED.filter(whole["route"] == "middle")["visitor"].to_list()
    able = tuple(middle[::2])
    cascade = broken("middle", Refuses(able))

    with caplog.at_level(logging.WARNING):
        decided = cascade.decide(SERVED)

    failed = SERVED["visitor"].is_in(middle) & ~SERVED["visitor"].is_in(able)
    others = whole["route"] != "middle"
    assert decided.filter(others).equals(whole.filter(others))
    assert set(decided.filter(failed)["reason"]) == {"fallback"}
    assert set(decided.filter(failed)["route"]) == {"young"}
    assert decided.filter(failed)["score"].equals(whole.filter(failed)["score"])
    assert decided.filter(SERVED["visitor"].is_in(able))["answer"].to_list() == [1.0] * len(able)
    assert caplog.messages == [
        f"branch 'middle' of cascade 'spending' v1 failed on {failed.sum()} rows, e.g. 1: ZeroDivisionError: broken"
    ]
    assert pl.concat([cascade.decide(SERVED[n : n + 1]) for n in range(20)]).equals(decided[:20])


def test_fallbacks_are_followed_to_their_end_and_then_it_fails() -> None:
    two_down = broken("young", Refuses(), broken("middle", Refuses()))
    whole = trained().cascade.decide(SERVED)
    decided = two_down.decide(SERVED)

    assert set(decided.filter(whole["route"] != "retired")["route"]) == {"anybody"}
    with pytest.raises(CascadeFailed, match=r"'retired' fails on \d+ rows, e\.g\. \d+; nothing stands in"):
        broken("retired", Refuses()).decide(SERVED)


def test_rows_on_which_the_router_fails_take_the_safe_route(caplog: pytest.LogCaptureFixture) -> None:
    missing = SERVED.with_columns(age=pl.when(pl.col("visitor") % 3 > 0).then("age"))
    whole = trained(NESTED).cascade.decide(SERVED)
    safe = replace(NESTED, policy=replace(NESTED.policy, safe_route="grown_ups"))
    cascade = replace(trained(NESTED).cascade, routing=replace(trained(NESTED).cascade.routing, policy=safe.policy))

    decided = cascade.decide(missing)

    hit = SERVED["visitor"] % 3 == 0
    assert set(decided.filter(hit)["route"]) == {"grown_ups"}
    assert set(decided.filter(hit)["reason"]) == {"fallback"}
    assert decided.filter(hit)["score"].null_count() == hit.sum()
    settled = ~hit & (whole["reason"] == "score")
    assert decided.filter(settled).equals(whole.filter(settled))
    assert "router of cascade 'shop' v1 failed on 30 rows, e.g. 0: " in caplog.text


def test_a_branch_that_gives_too_few_answers_has_failed() -> None:
    @dataclass(frozen=True)
    class Short(Refuses):
        def answers(self, rows: pl.DataFrame) -> pl.Series:
            return pl.Series([1.0] * (rows.height - 1))

    decided = broken("middle", Short()).decide(SERVED)
    assert "middle" not in decided["route"]


def test_answers_of_different_types_are_refused() -> None:
    with pytest.raises(CascadeFailed, match="different types: Float64, String"):
        broken("middle", Refuses(tuple(range(90)), answer="text")).decide(SERVED)


def test_the_fingerprint_covers_all_that_is_declared() -> None:
    young = THREE.branches[0]
    others = [
        replace(THREE, version=2),
        replace(THREE, router=model("segment")),
        replace(THREE, policy=replace(THREE.policy, band=0.1)),
        replace(THREE, branches=(replace(young, fallback=None), *THREE.branches[1:])),
        replace(THREE, branches=(replace(young, model=replace(spending(), target="age")), *THREE.branches[1:])),
    ]

    assert len({THREE.fingerprint, *(c.fingerprint for c in others)}) == 6
    assert replace(THREE).fingerprint == THREE.fingerprint
    sweets = NESTED.branches[1]
    assert isinstance(sweets.model, Cascade)
    deeper = replace(NESTED, branches=(NESTED.branches[0], replace(sweets, model=replace(sweets.model, version=2))))
    assert deeper.fingerprint != NESTED.fingerprint


TWO = RoutingPolicy({"a": 1, "b": 1}, "a")


A, B = Branch("a", spending(), on=True, fallback="b"), Branch("b", spending(), on=False)


@pytest.mark.parametrize(
    ("branches", "said"),
    [
        ((B,), r"classes \[False\]"),
        ((A, replace(B, name="a")), r"branches are \['a', 'a'\]"),
        ((A, replace(B, on=True)), r"classes \[True, True\]"),
        ((A, replace(B, on="x")), r"classes \[True, 'x'\]"),
        ((replace(A, fallback=None), replace(B, name="c")), "costs of"),
        ((replace(A, fallback="x"), B), "falls back to 'x'"),
        ((A, replace(B, fallback="a")), r"circle: \['a', 'b', 'a'\]"),
        ((replace(A, model=7), B), "is a int"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_a_cascade_that_cannot_be_meant_is_refused(branches: tuple[Branch, ...], said: str) -> None:
    with pytest.raises(InvalidCascade, match=said):
        Cascade("wrong", 1, model(), branches, TWO)


def test_training_that_cannot_go_on_says_why() -> None:
    with pytest.raises(InvalidCascade, match=r"has the classes \['child', 'grown'\]"):
        fit_cascade(THREE, ROWS.filter(pl.col("segment") != "old"), k=3)
    nobody = replace(THREE, policy=RoutingPolicy({"young": 1e-9, "middle": 1, "retired": 1}, "middle"))
    with pytest.raises(InvalidCascade, match="none of 240 rows is sent to 'young'"):
        fit_cascade(nobody, ROWS, k=3)
    found = trained().out_of_fold["router"]
    with pytest.raises(FoldsMismatch, match="other rows"):
        routed(THREE, ROWS.reverse(), found)
    with pytest.raises(InvalidCascade, match="no branch 'children'"):
        fit_branch(NESTED, "children", ROWS, {}, {})


def test_a_branch_that_says_no_number_is_passed_over() -> None:
    branch = trained().cascade.branches["young"]
    assert isinstance(branch, RegressionBranch)
    infinite = Ridge().fit(np.zeros((2, 1)), [0.0, 1.0])
    infinite.coef_ = np.array([np.inf])

    assert "young" not in broken("young", replace(branch, regressor=infinite)).decide(SERVED)["route"]
