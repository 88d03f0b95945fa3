"""How results leave a benchmark's process, and how they are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Row

MARK = "alluvia-benchmark-rows "
RESULTS = Path(__file__).parent / "results"


def main(rows: Callable[[], list[Row]]) -> None:
    """Measure and print the rows: as JSON on one marked line for `benchmarks.run`, which called."""
    print(MARK + json.dumps([row.to_json() for row in rows()]))


def printed_rows(output: str) -> list[Row]:
    """The rows in what a benchmark's process printed."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return [Row.from_json(row) for line in lines for row in json.loads(line.removeprefix(MARK))]


def markdown(rows: Sequence[Row], head: str) -> str:
    """The table, with notes under it."""
    lines = [
        head,
        "",
        "| what | against | CPU-s | theirs | ratio | target | met | same answer | wall s | theirs |",
        "|---|---|--:|--:|--:|---|---|---|--:|--:|",
    ]
    notes = []
    for row in rows:
        if row.note:
            notes.append(f"{len(notes) + 1}. {row.note}.")
        what = row.what + (f" [{len(notes)}]" if row.note else "")
        lines.append(
            f"| {what} | {row.against or '-'} | {_number(row.ours_cpu)} | {_number(row.theirs_cpu)} "
            f"| {'-' if row.ratio is None else f'**{row.ratio:.2f}x**'} | {row.target or '-'} | {_word(row.met)} "
            f"| {_word(row.same_answer)} | {_number(row.ours_wall)} | {_number(row.theirs_wall)} |"
        )
    return "\n".join([*lines, "", *notes]) + "\n"


def save(rows: Sequence[Row], facts: dict[str, str], path: Path) -> None:
    """Everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": facts, "rows": [row.to_json() for row in rows]}, indent=1) + "\n")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _word(value: bool | None) -> str:  # noqa: FBT001  # the value that is shown
    return "-" if value is None else "yes" if value else "**no**"


def flush(text: str) -> None:
    """Tell a waiting person something."""
    print(text, file=sys.stderr, flush=True)
