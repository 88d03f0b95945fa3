from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_groups import user_activity
from feature_groups.store.selection import Node, select
from feature_groups.store.step_errors import NoSuchStep

NODES = [
    Node("movies_v1", "group"),
    Node("users_v1", "group", tags={"source": "crm"}),
    Node("ratings_v1", "group", ("movies_v1", "users_v1")),
    Node("ratings_v2", "group", ("movies_v1", "users_v1")),
    Node("user_activity_v1", "group", ("ratings_v1", "movies_v1"), {"cost": "slow"}),
    Node("age_gate_v1", "dataset", ("user_activity_v1",), {"dataset": ""}),
    Node("router", "training", ("age_gate_v1",), {"training": ""}),
    Node("branch_adults", "training", ("age_gate_v1", "router"), {"training": ""}),
]
ALL = [node.name for node in NODES]


def names(wanted: str = "", unwanted: str = "") -> list[str]:
    return [node.name for node in select(NODES, wanted, unwanted)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", ALL),
        ("router", ["router"]),
        ("ratings", ["ratings_v1", "ratings_v2"]),
        ("ratings_v2", ["ratings_v2"]),
        ("+ratings_v1", ["movies_v1", "users_v1", "ratings_v1"]),
        ("ratings_v2+", ["ratings_v2"]),
        ("user_activity+", ["user_activity_v1", "age_gate_v1", "router", "branch_adults"]),
        ("+age_gate+", [name for name in ALL if name != "ratings_v2"]),
        ("router, users", ["users_v1", "router"]),
        ("user*", ["users_v1", "user_activity_v1"]),
        ("branch_*", ["branch_adults"]),
        ("tag:slow", ["user_activity_v1"]),
        ("tag:cost", ["user_activity_v1"]),
        ("tag:cost=slow", ["user_activity_v1"]),
        ("tag:source=crm", ["users_v1"]),
        ("+tag:slow", ["movies_v1", "users_v1", "ratings_v1", "user_activity_v1"]),
        ("tag:training", ["router", "branch_adults"]),
    ],
)
def test_steps_are_chosen_by_name_neighbourhood_pattern_and_tag(wanted: str, found: list[str]) -> None:
    assert names(wanted) == found


def test_what_is_excluded_is_left_out_however_it_was_chosen() -> None:
    assert names("+router", "tag:slow ratings") == ["movies_v1", "users_v1", "age_gate_v1", "router"]
    assert names("", "ratings+") == ["movies_v1", "users_v1"]


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("+ruoter", "Did you mean 'router'?"),
        ("user_activty", "Did you mean 'user_activity'?"),
        ("tag:slwo", "Did you mean"),
        ("x*", "There is: "),
        ("+", "There is: "),
        ("tag:cost=cheap", "Did you mean 'tag:cost=slow'?"),
    ],
)
def test_a_term_that_fits_nothing_is_refused_with_a_hint(wanted: str, hint: str) -> None:
    for selection in ((wanted,), ("", wanted)):
        with pytest.raises(NoSuchStep) as refused:
            names(*selection)
        assert hint in refused.value.what
        assert repr(wanted) in refused.value.where


def test_groups_bring_their_needs_and_their_tags() -> None:
    node = Node.of(user_activity.v1)

    assert node.upstream == ("ratings_v1", "movies_v1")
    assert node.names == ("user_activity_v1", "user_activity")
    assert node.tags["cost"] == "slow"


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    count = draw(st.integers(1, 7))
    return [Node(f"n{i}", "group", tuple(f"n{j}" for j in range(i) if draw(st.booleans()))) for i in range(count)]


@given(nodes=graphs(), place=st.integers(0, 6))
def test_neighbourhoods_are_the_closure_of_what_is_needed(nodes: list[Node], place: int) -> None:
    chosen = nodes[place % len(nodes)].name
    needs = {node.name: set(node.upstream) for node in nodes}
    for _ in nodes:  # the transitive closure, by hand
        needs = {name: direct.union(*(needs[one] for one in direct)) for name, direct in needs.items()}
    above = [n.name for n in nodes if n.name == chosen or n.name in needs[chosen]]
    below = [n.name for n in nodes if n.name == chosen or chosen in needs[n.name]]

    assert [n.name for n in select(nodes, f"+{chosen}")] == above
    assert [n.name for n in select(nodes, f"{chosen}+")] == below
