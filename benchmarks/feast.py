"""The point-in-time join beside Feast's newest release: speed, and who finds what is right. Not in `make bench`.

Feast has an environment of its own (`make bench-feast`), for its pins cannot be met beside ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandera.polars as pa
import polars as pl

from benchmarks.as_of_ways import NAMES
from benchmarks.feast_cases import Case, cases
from benchmarks.feature_lake import feature_rows, feature_store, spine_rows, table, view
from benchmarks.measure import Row, Spent, median, spend
from benchmarks.report import MARK, main
from feature_groups.store import FeatureGroup, FeatureStore, FeatureView, Join, UtcDatetime

PYTHON = Path(__file__).parents[1] / ".venv-feast" / "bin" / "python"
ENGINES = ("duckdb", "dask")
ROWS, SPINE, REPEATS = 2_000_000, 200_000, 5
TIMES_FASTER = 7
FAST = "fast"


class Contract(pa.DataFrameModel):
    """One row per case, keys and row."""

    case_name: str = pa.Field()
    key: str = pa.Field()
    second: str = pa.Field()
    row: int = pa.Field()
    event_time: UtcDatetime = pa.Field()
    created: UtcDatetime = pa.Field()
    value: float = pa.Field()


versions = FeatureGroup(
    name="versions",
    version=1,
    description="The rows of the cases.",
    primary_key=["case_name", "key", "second", "row"],
    event_time="event_time",
    sequence="created",
    contract=Contract,
)


def rows() -> list[Row]:
    """The same join on the same rows, then the cases."""
    with feature_store() as store, TemporaryDirectory(prefix="alluvia-feast-") as name:
        folder = Path(name)
        ours, answer, nulls = _ours(store, folder)
        wrong = _our_cases(store)
        for number, case in enumerate(cases()):
            _write_case(folder, f"case_{number}", case)
        theirs = {engine: _feast(folder, engine) for engine in ENGINES}
        lines = [_speed(ours, answer, nulls, folder, engine, theirs) for engine in ENGINES]
        return lines + [_correct(wrong, folder, engine, theirs[engine]) for engine in ENGINES]


def _ours(store: FeatureStore, folder: Path) -> tuple[Spent, pl.DataFrame, int]:
    declared = table(store, "small", ROWS)
    spine = spine_rows(SPINE, ROWS // 100)
    fv = store.get_or_create_feature_view(view(declared))
    spine.with_row_index("n").cast({"n": pl.Int64}).write_parquet(folder / f"{FAST}.spine.parquet")
    feature_rows(ROWS, seed=sum(b"small")).write_parquet(folder / f"{FAST}.rows.parquet")
    told = {"keys": {"entity_id": "int64"}, "features": NAMES, "created": "", "max_age": 0}
    (folder / f"{FAST}.json").write_text(json.dumps({**told, "repeats": {"duckdb": 3, "dask": 1}}))

    def joined() -> Any:
        return fv.get_batch_data(spine, engine="polars").collect().to_pandas()

    joined()
    spent = median([spend(joined)[0] for _ in range(REPEATS)])
    made: pl.DataFrame = fv.get_batch_data(spine, engine="polars").collect()
    made.columns = ["entity_id", "event_time", *NAMES]
    return spent, made, made["f0"].null_count()


def _our_cases(store: FeatureStore) -> list[int]:
    """Wrong rows per case, through the same verbs that anyone uses."""
    fg = store.get_or_create_feature_group(versions)
    named = {f"case {number}": case for number, case in enumerate(cases())}
    told = [
        case.frames()[0].with_columns(case_name=pl.lit(name)).filter(pl.col("key").is_not_null())
        for name, case in named.items()
    ]
    fg.insert(pl.concat(told).select(list(Contract.to_schema().columns)))
    found = []
    for number, (name, case) in enumerate(named.items()):
        on = tuple((column, column) for column in ("case_name", "key", "second"))
        declared = FeatureView(
            name=f"case_{number}",
            version=1,
            description=case.name,
            features=[Join(versions.select("value"), on)],
            max_age={versions: case.max_age} if case.max_age else {},
        )
        fv = store.get_or_create_feature_view(declared)
        spine = case.frames()[1].with_columns(case_name=pl.lit(name))
        found.append(case.wrong(fv.get_batch_data(spine, engine="polars").collect()))
    return found


def _write_case(folder: Path, name: str, case: Case) -> None:
    asked, told = case.frames()[::-1]
    asked.write_parquet(folder / f"{name}.spine.parquet")
    told.write_parquet(folder / f"{name}.rows.parquet")
    keys = {"key": "string", **({"second": "string"} if case.composite else {})}
    age = (case.max_age or timedelta(0)) // timedelta(microseconds=1)
    stored = {"keys": keys, "features": ["value"], "created": "created", "max_age": age}
    (folder / f"{name}.json").write_text(json.dumps({**stored, "repeats": dict.fromkeys(ENGINES, 1)}))


def _feast(folder: Path, engine: str) -> Mapping[str, Any]:
    command = [str(PYTHON), "-W", "ignore::DeprecationWarning", "-m", "benchmarks.feast_engines", str(folder), engine]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PYTHON.parents[2]).stdout
    told: dict[str, Any] = json.loads(
        next(line for line in said.splitlines() if line.startswith(MARK)).removeprefix(MARK)
    )
    return told


def _speed(ours: Spent, answer: pl.DataFrame, nulls: int, folder: Path, engine: str, theirs: Mapping[str, Any]) -> Row:
    told = theirs[engine][FAST]
    spent = Spent(told["cpu"], told["wall"])
    best = min(ENGINES, key=lambda name: theirs[name][FAST]["cpu"])
    found = pl.read_parquet(folder / f"{FAST}.{engine}.parquet").sort("n")
    same = found.select(NAMES).fill_nan(None).equals(answer.select(NAMES))
    missing = answer.height - found.height
    note = (
        f"to pandas; median of {REPEATS} and {'3' if engine == 'duckdb' else '1'}; theirs from one Parquet file, ours "
        f"from Delta; {nulls:,} rows without a match; {missing:,} of {answer.height:,} rows missing in theirs; "
        f"their peak {told['peak']:.1f} GB"
    )
    met = ours.cpu * TIMES_FASTER <= spent.cpu if engine == best else None
    return Row(
        "PIT join, 200 k spine x 2 M rows, 5 features",
        f"Feast, {engine}",
        ours.cpu,
        spent.cpu,
        ours.wall,
        spent.wall,
        f"{TIMES_FASTER}x faster than its best" if engine == best else "",
        met,
        same if engine == best else None,
        note,
    )


def _correct(wrong: list[int], folder: Path, engine: str, theirs: Mapping[str, Any]) -> Row:
    said, total, asked = [], 0, 0
    for number, case in enumerate(cases()):
        told = theirs[f"case_{number}"]
        asked += len(case.spine)
        if "error" in told:
            said.append(f"{case.name}: {told['error'][:80]}")
            total += len(case.spine)
            continue
        bad = case.wrong(pl.read_parquet(folder / f"case_{number}.{engine}.parquet"))
        total += bad
        if bad:
            said.append(f"{case.name}: {bad:,} of {len(case.spine):,}")
    note = f"wrong rows of {asked:,} in {len(wrong)} cases: ours {sum(wrong)}, theirs {total:,}" + (
        f" ({'; '.join(said)})" if said else ""
    )
    what = "what Feast is known to get wrong"
    return Row(what, f"Feast, {engine}", 0.0, None, 0.0, None, "no wrong row", sum(wrong) == 0, None, note)


if __name__ == "__main__":
    main(rows)
