from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_groups.store.table_files import CommitFiles, RowFile, in_force_since, needed, rows_at, shown, spans, whole

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[CommitFiles], list[set[RowFile]]]:
    """Commits, and the rows of every version: each replaces some files, gives some another vector, restores some."""
    rows: set[RowFile] = set()
    ever: list[RowFile] = []
    commits, versions = [], []
    for version in range(draw(st.integers(1, 7))):
        removed = {r for r in sorted(rows) if draw(st.booleans())}
        marked = [RowFile(r.data, f"dv{draw(st.integers(0, 2))}", f"{version}") for r in removed if draw(st.booleans())]
        fresh = [RowFile(f"{version}-{n}") for n in range(draw(st.integers(0, 2)))]
        back = [r for r in ever if r not in rows and draw(st.integers(0, 4)) == 0]
        added = tuple(dict.fromkeys((*marked, *fresh, *back)))
        changes = draw(st.lists(st.sampled_from([f"cdc-{version}", *(f"{version}-{n}" for n in range(2))]), max_size=2))
        commits.append(CommitFiles(version, START + timedelta(days=version), added, tuple(removed), tuple(changes)))
        rows = rows - removed | set(added)
        ever += added
        versions.append(rows)
    return commits, versions


@settings(deadline=None)
@given(histories(), st.data())
def test_needed_are_the_files_of_the_rows_and_changes_of_every_version(history: object, data: st.DataObject) -> None:
    commits, versions = history  # type: ignore[misc]  # a pair
    kept = data.draw(st.sets(st.sampled_from(range(len(commits)))))
    expected = set()
    for version in kept:
        expected |= {file for row in versions[version] for file in row.files} | set(commits[version].changes)
    assert needed(commits, kept) == expected
    assert [rows_at(commits, v) for v in range(len(commits))] == versions


@settings(deadline=None)
@given(histories(), st.data())
def test_a_version_is_whole_when_none_of_its_files_is_gone(history: object, data: st.DataObject) -> None:
    commits, versions = history  # type: ignore[misc]  # a pair
    files = sorted({file for commit in commits for file in commit.files})
    gone = data.draw(st.sets(st.sampled_from(files))) if files else set()
    rows, changes = whole(commits, gone)
    assert rows == [v for v, found in enumerate(versions) if not {f for r in found for f in r.files} & gone]
    assert changes == [c.version for c in commits if not set(c.changes) & gone]


@settings(deadline=None)
@given(histories(), st.data())
def test_whatever_is_kept_stays_whole(history: object, data: st.DataObject) -> None:
    commits, _ = history  # type: ignore[misc]  # a pair
    kept = data.draw(st.sets(st.sampled_from(range(len(commits)))))
    gone = {file for commit in commits for file in commit.files} - needed(commits, kept)
    rows, changes = whole(commits, gone)
    assert kept <= set(rows)
    assert kept <= set(changes)


def _at(*days: float | None) -> list[CommitFiles]:
    instants = [None if day is None else START + timedelta(days=day) for day in days]
    return [CommitFiles(version, instant) for version, instant in enumerate(instants)]


def test_in_force_are_the_version_of_the_instant_and_all_later_ones() -> None:
    commits = _at(0, 1, 2)
    for day, expected in ((-1, [0, 1, 2]), (0, [0, 1, 2]), (0.5, [0, 1, 2]), (1, [1, 2]), (2, [2]), (99, [2])):
        assert list(in_force_since(commits, START + timedelta(days=day))) == expected


def test_commits_out_of_order_or_of_unknown_time_only_make_more_versions_count() -> None:
    assert list(in_force_since(_at(0, 5, 1, 2), START + timedelta(days=3))) == [0, 1, 2, 3]
    assert list(in_force_since(_at(0, None, 1), START + timedelta(days=3))) == [0, 1, 2]


@settings(deadline=None)
@given(st.sets(st.integers(0, 20)))
def test_spans_are_the_gapless_runs(versions: set[int]) -> None:
    runs = spans(versions)
    assert {v for first, last in runs for v in range(first, last + 1)} == versions
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(runs))


def test_versions_are_shown_by_their_runs() -> None:
    assert shown(spans([7, 1, 2, 3, 9])) == "1 to 3, 7, 9"
    assert shown(()) == "none"
