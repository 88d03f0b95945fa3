from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidPolicy
from models.threshold import RoutingPolicy

ROUTES = ("adults", "minors")
ONE_TO_SEVEN = RoutingPolicy(costs={"adults": 1, "minors": 7}, safe_route="minors", band=0.025)

prices = st.floats(0.01, 100)


def two(probability: float) -> np.ndarray:
    return np.array([[1 - probability, probability]])


def test_the_threshold_is_one_over_one_plus_the_ratio_of_costs() -> None:
    assert ONE_TO_SEVEN.threshold(ROUTES) == 1 / 8
    assert replace(ONE_TO_SEVEN, costs={"adults": 1, "minors": 1}).threshold(ROUTES) == 0.5


@given(st.lists(prices, min_size=2, max_size=4), st.data())
def test_without_a_band_the_route_is_the_cheapest_to_expect(costs: list[float], data: st.DataObject) -> None:
    shares = data.draw(st.lists(st.integers(1, 1000), min_size=len(costs), max_size=len(costs)))
    probabilities = np.array([shares]) / sum(shares)
    routes = [f"r{n}" for n in range(len(costs))]
    policy = RoutingPolicy(dict(zip(routes, costs, strict=True)), safe_route="r0")

    chosen, why = policy.chosen(probabilities, routes)

    def expected(route: int) -> float:
        return sum(c * p for n, (c, p) in enumerate(zip(costs, probabilities[0], strict=True)) if n != route)

    assert expected(routes.index(chosen[0])) <= min(map(expected, range(len(costs)))) * (1 + 1e-9) + 1e-12
    assert why.tolist() == ["score"]


@pytest.mark.parametrize(
    ("probability", "route", "why"),
    [
        (0.0999, "adults", "score"),
        (0.1, "minors", "band"),
        (0.125, "minors", "band"),
        (0.1499, "minors", "band"),
        (0.15, "minors", "score"),
        (1.0, "minors", "score"),
    ],
)
def test_what_is_too_close_to_call_takes_the_safe_route(probability: float, route: str, why: str) -> None:
    assert [x.tolist() for x in ONE_TO_SEVEN.chosen(two(probability), ROUTES)] == [[route], [why]]


def test_the_safe_route_can_be_the_first() -> None:
    careful = RoutingPolicy({"block": 1, "allow": 1}, safe_route="block", band=0.2)
    route, why = careful.chosen(np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]), ("block", "allow"))

    assert route.tolist() == ["block", "block", "allow"]
    assert why.tolist() == ["score", "band", "score"]


def test_with_several_routes_the_lead_of_the_best_must_exceed_the_band() -> None:
    policy = RoutingPolicy({"a": 1, "b": 1, "c": 2}, safe_route="a", band=0.1)
    # Weighted: (.2, .5, .6) and (.1, .2, 1.4): leads of .1 / 1.3 and 1.2 / 1.7.
    route, why = policy.chosen(np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]), ("a", "b", "c"))

    assert route.tolist() == ["a", "c"]
    assert why.tolist() == ["band", "score"]


def test_a_policy_comes_back_from_its_state() -> None:
    assert RoutingPolicy.of(ONE_TO_SEVEN.state()) == ONE_TO_SEVEN
    assert hash(RoutingPolicy.of(ONE_TO_SEVEN.state())) == hash(ONE_TO_SEVEN)


@pytest.mark.parametrize(
    ("costs", "safe", "band", "said"),
    [
        ({"a": 1}, "a", 0, "costs of"),
        ({"a": 1, "b": 0}, "a", 0, "Costs are"),
        ({"a": 1, "b": float("inf")}, "a", 0, "Costs are"),
        ({"a": 1, "b": 1}, "c", 0, "safe route 'c'"),
        ({"a": 1, "b": 1}, "a", 1, "band is 1"),
        ({"a": 1, "b": 1}, "a", -0.1, "band is -0.1"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(costs: dict[str, float], safe: str, band: float, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said):
        RoutingPolicy(costs, safe, band)


def test_three_routes_have_no_single_threshold() -> None:
    with pytest.raises(InvalidPolicy, match="3 routes"):
        RoutingPolicy({"a": 1, "b": 1, "c": 1}, "a").threshold(("a", "b", "c"))
