"""How fresh a group is: the newest event behind it, and whether its inputs have moved."""

from __future__ import annotations

from pathlib import Path

import shop
from quick_lake import ages, habits, opened, predictions, visited, visits, write


def test_a_computed_group_is_as_fresh_as_the_events_behind_it(quick_lake: Path) -> None:
    found = opened(quick_lake).freshness()

    newest = shop.START + 4 * shop.DAY
    assert found[visits.id].newest_event == newest
    assert found[habits.id].newest_event == newest
    assert found[ages.id].newest_event is None
    assert found[predictions.id].newest_event == shop.START + 9 * shop.DAY
    assert {name: fresh.behind for name, fresh in found.items() if fresh.behind} == {}


def test_a_group_is_behind_when_the_content_of_what_it_is_made_from_moved(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    write(store, visits, visited(5), "the same again")
    assert store.freshness()[habits.id].behind == ()

    write(store, visits, visited(6), "one more day")

    assert opened(own_quick_lake).freshness()[habits.id].behind == (visits.id,)


def test_an_empty_group_has_no_newest_event(own_quick_lake: Path) -> None:
    store = opened(own_quick_lake)
    store.get_or_create_feature_group(shop.purchases)

    assert store.freshness()[shop.purchases.id].newest_event is None
