"""The registry: what is released stays as it is, and one write says who is champion."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from children import PROJECT
from feature_groups.store.errors import InvalidDeclaration
from members import Gate, Weights, weights
from models.errors import (
    ArtefactDamaged,
    InvalidRelease,
    MemberMissing,
    MixedLineage,
    NotBlessed,
    SwitchConflict,
    UnknownRelease,
    WrongView,
)
from models.registry import Registry
from models.release import DatasetUsed, Reference, Release
from models.switches import Switch
from released import names, registry, release


@pytest.fixture
def made(lake: Path) -> Registry:
    return registry(lake)


def objects(made: Registry) -> list[str]:
    return made.metadata.names(f"{made.root}/objects")


def test_an_identical_member_is_stored_once_and_has_one_reference(made: Registry) -> None:
    first = made.put(weights(1))
    assert made.put(weights(1)) == first
    assert made.put(Gate.fitted()) == made.put(Gate.fitted())
    assert len(objects(made)) == 2
    assert made.put(weights(2)).content != first.content


def test_a_member_comes_back_from_its_reference(made: Registry) -> None:
    back = made.restore(made.put(weights(1)), [Gate, Weights])
    assert isinstance(back, Weights)
    assert back.weights.tobytes() == weights(1).weights.tobytes()
    with pytest.raises(InvalidRelease, match="No class of the kind 'weights'"):
        made.restore(made.put(weights(1)), [Gate])


def test_the_same_release_again_is_the_same_one(made: Registry) -> None:
    first = release(made, 1)
    assert made.release(first) == made.release(release(made, 1)) == first.id
    assert [entry.id for entry in made.releases()] == [first.id]
    assert made.get(first.id) == first == made.get(first.id[:8])


def test_a_release_that_another_flow_run_tries_again_is_the_one_that_the_first_one_tried(made: Registry) -> None:
    first, again = (replace(release(made, 1), flow_run=run) for run in ("monday", "tuesday"))
    assert made.release(first) == made.release(again) == first.id
    assert [made.get(entry.id).flow_run for entry in made.releases()] == ["monday"]
    other = replace(again, metrics={"ndcg": 0.3})
    assert made.release(other) == other.id


@pytest.mark.parametrize("name", ["", "zzz", "../" * 21 + "x", "%2e%2e/" * 9 + "x", "0" * 64, "a\n"])
def test_what_names_no_release_reads_nothing(made: Registry, name: str) -> None:
    made.release(release(made, 1))
    for verb in (made.get, made.promote, made.challenge, made.ancestry):
        with pytest.raises(UnknownRelease):
            verb(name)


def test_a_manifest_that_was_changed_is_not_read(made: Registry, lake: Path) -> None:
    name = made.release(release(made, 1))
    path = lake / "metadata" / made.root / "manifests" / f"{name}.json"
    path.write_text(path.read_text().replace("0.1", "0.9"))
    with pytest.raises(ArtefactDamaged, match="Its manifest has the sha256"):
        made.get(name)


def test_a_member_that_was_changed_is_not_loaded(made: Registry, lake: Path) -> None:
    made.promote(made.release(release(made, 1)))
    path = lake / "metadata" / objects(made)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    champion = made.champion()
    assert champion is not None
    with pytest.raises(ArtefactDamaged, match="nothing of it was parsed"):
        made.members(champion, [Weights])


def test_a_release_of_mixed_lineage_is_refused(made: Registry) -> None:
    old, new = release(made, 1), release(made, 2)
    mixed = replace(new, members={**new.members, "router": old.members["router"]})
    with pytest.raises(MixedLineage, match="'adults' was trained on the out-of-fold predictions of the 'router'"):
        made.release(mixed)
    assert made.releases() == []


def test_what_cannot_be_a_release_is_refused(made: Registry) -> None:
    good = release(made, 1)
    gone = Reference("weights", "0" * 64, "1" * 64, 10)
    for bad, kind, said in [
        (Release({}), InvalidRelease, "no members"),
        (replace(good, metrics={"ndcg": float("nan")}), InvalidRelease, "'ndcg' is nan"),
        (replace(good, trained_on={"minor": {}}), InvalidRelease, "Did you mean 'minors'"),
        (replace(good, members={**good.members, "policy": gone}), MemberMissing, "'policy'"),
        (replace(good, golden=gone), MemberMissing, "'golden vectors'"),
        (replace(good, parent="f" * 64), UnknownRelease, "f" * 64),
    ]:
        with pytest.raises(kind, match=said):
            made.release(bad)
    assert made.releases() == []
    with pytest.raises(InvalidDeclaration):
        Registry(made._store, "../recommender")


def test_promote_challenge_and_rollback_are_numbered_switches(made: Registry) -> None:
    a, b, c = (made.release(release(made, n)) for n in (1, 2, 3))
    assert made.champion() is None
    made.challenge(a)
    assert made.promote(a) == made.state()
    assert made.state() == Switch(2, a, None, "promote", made.state().at, made.state().who)
    assert made.promote(a).number == 2, "nothing to switch"
    made.promote(b)
    made.challenge(a, reason="look again")
    made.promote(c)
    assert (made.rollback().champion, made.rollback().champion) == (b, a)
    with pytest.raises(UnknownRelease, match="it had no champion"):
        made.rollback()
    made.promote(c)
    assert made.rollback(a[:10]).champion == a
    with pytest.raises(UnknownRelease):
        made.rollback(b)
    assert made.state().challenger == a
    assert made.challenge(None).challenger is None
    assert [s.number for s in made.switches()] == list(range(1, made.state().number + 1))
    challenger, champion = made.challenger(), made.champion()
    assert challenger is None
    assert champion is not None
    assert names(made, champion) == {"1"}


def test_what_its_gates_refused_is_released_but_not_promoted(made: Registry) -> None:
    made.promote(made.release(release(made, 1)))
    refused = made.release(release(made, 2, blessed=False))
    with pytest.raises(NotBlessed, match="ECE"):
        made.promote(refused)
    never_asked = made.release(replace(release(made, 3), verdict={}))
    with pytest.raises(NotBlessed, match="never asked"):
        made.promote(never_asked)
    assert made.state().number == 1
    assert made.challenge(refused).challenger == refused


def test_of_two_that_promote_at_once_one_wins_and_the_other_is_told(lake: Path) -> None:
    first = registry(lake)
    a, b = (first.release(release(first, n)) for n in (1, 2))
    together = Barrier(2)

    def promote(name: str, number: int) -> Switch | SwitchConflict:
        mine = registry(lake)
        seen = mine.state().number
        together.wait()
        try:
            return mine.promote(name, after=seen)
        except SwitchConflict as conflict:
            return conflict

    with ThreadPoolExecutor(2) as threads:
        for number in range(10):
            got = list(threads.map(promote, (a, b) if number % 2 else (b, a), (number, number)))
            won = [s for s in got if isinstance(s, Switch)]
            lost = [e for e in got if isinstance(e, SwitchConflict)]
            state = first.state()
            if len(lost) == 1:
                assert won == [state]
                assert "came second" in str(lost[0])
            else:  # one of them was champion already, and found nothing to do
                assert state in won
                assert {s.number for s in won} == {state.number, state.number - 1}
    with pytest.raises(SwitchConflict, match=r"still at switch \d+"):
        first.promote(a if first.state().champion == b else b, after=0)


def test_a_release_that_is_asked_for_another_view_refuses(made: Registry) -> None:
    used = DatasetUsed("age_gate_v1", "c" * 64, 1, {"parts/train": "d"}, "HashSplit(...)", 18)
    chosen = replace(release(made, 1), datasets=(used,))
    chosen.require_view("age_gate_v1", "c" * 64)
    with pytest.raises(WrongView, match=r"not trained on 'age_gate_v2'\. Did you mean 'age_gate_v1'"):
        chosen.require_view("age_gate_v2", "c" * 64)
    with pytest.raises(WrongView, match="now that is dddd"):
        chosen.require_view("age_gate_v1", "d" * 64)
    assert Release.from_json(chosen.to_json()) == chosen


def test_lineage_is_told_both_ways(made: Registry) -> None:
    a = made.release(release(made, 1, ratings=7))
    b = made.release(release(made, 2, parent=a, ratings=7))
    c = made.release(release(made, 3, parent=b, ratings=9))
    assert made.using("ratings_v1") == [a, b, c]
    assert made.using("ratings_v1", version=7) == [a, b]
    assert made.using("ratings_v1", version=7, table_id="t2") == made.using("users_v1") == []
    assert [r.id for r in made.ancestry(c)] == [c, b, a]


def test_a_collection_keeps_what_is_in_use(made: Registry) -> None:
    ids: list[str] = []
    for number in range(1, 8):
        ids.append(made.release(release(made, number, parent=ids[-1] if ids else None)))
        if number < 7:
            made.promote(ids[-1])
    made.challenge(ids[6])
    orphan = made.put(weights(99))
    young = made.collect(dry_run=True)
    assert (young.objects, set(young.kept)) == ((), set(ids))
    dry = made.collect(pinned=[ids[0]], parents=2, younger=timedelta(0), dry_run=True)
    assert len(objects(made)) == 22
    assert set(dry.kept) == {ids[0], ids[3], ids[4], ids[5], ids[6]}
    assert dry.releases == (ids[1], ids[2])
    done = made.collect(pinned=[ids[0]], parents=2, younger=timedelta(0))
    assert done == replace(dry, dry_run=False)
    assert orphan.sha256 in done.objects
    assert "removed 7 members" in repr(done)
    for name in done.kept:
        names(made, made.get(name))
    with pytest.raises(MemberMissing, match="put the member again"):
        made.promote(ids[1])
    assert made.release(release(made, 2, parent=ids[0])) == ids[1], "put again, it is whole again"
    assert made.promote(ids[1]).champion == ids[1]
    with pytest.raises(UnknownRelease):
        made.collect(pinned=["0" * 64])


def test_a_champion_made_by_another_process_is_seen_without_listing(lake: Path) -> None:
    reader, writer = registry(lake), registry(lake)
    ids = [writer.release(release(writer, n)) for n in (1, 2)]
    for number in range(1, 41):
        writer.promote(ids[number % 2])
        assert (reader.state().number, reader.state().champion) == (number, ids[number % 2])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "rollback"]), max_size=12))
def test_rollbacks_go_back_through_the_promotions(tmp_path_factory: pytest.TempPathFactory, verbs: list[str]) -> None:
    made = registry(tmp_path_factory.mktemp("rolled"))
    ids = {letter: made.release(release(made, n)) for n, letter in enumerate("abc")}
    stack: list[str] = []
    for verb in verbs:
        if verb == "rollback" and len(stack) < 2:
            continue
        if verb == "rollback":
            stack.pop()
            made.rollback()
        elif stack[-1:] != [ids[verb]]:
            stack.append(ids[verb])
            made.promote(ids[verb])
        assert made.state().champion == (stack[-1] if stack else None)


def test_the_registry_opens_without_spark_or_prefect(lake: Path) -> None:
    code = (
        "import sys; from released import registry, release; from pathlib import Path; import models.model_card\n"
        "r = registry(Path(sys.argv[1])); r.promote(r.release(release(r, 1)))\n"
        "print([m for m in ('pyspark', 'delta', 'prefect') if m in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-c", code, str(lake)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests' / 'support'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
