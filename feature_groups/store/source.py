"""Sources: raw files with a contract of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feature_groups.store.contract import ContractSpec, contract_spec
from feature_groups.store.errors import InvalidDeclaration, SourceMissing, did_you_mean
from feature_groups.store.names import check_name

if TYPE_CHECKING:
    import pandera.polars as pa

Reader = Callable[[Path], pl.DataFrame | pl.LazyFrame]


def _read_csv(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(path, try_parse_dates=False)


_READERS: dict[str, Reader] = {
    ".parquet": pl.scan_parquet,
    ".csv": _read_csv,
    ".ndjson": pl.scan_ndjson,
    ".jsonl": pl.scan_ndjson,
}


@dataclass(frozen=True, eq=False)
class Source:
    """A raw file that is delivered again and again, each time whole.

    Attributes:
        name: Name in messages and records.
        path: File, relative to the data folder of the run (or absolute).
        contract: Pandera class the raw rows must meet.
        read: Reads the file into a Polars frame; by the file's ending when not given.
        max_shrink: Share of the previous delivery's rows that a new delivery may lack; a delivery that shrank
            more was cut on the way and is refused.
        description: What the file is and who delivers it.

    Raises:
        InvalidDeclaration: A name, path, contract or share that cannot be used, or no reader for the file's ending.
    """

    name: str
    path: str
    contract: type[pa.DataFrameModel] = field(repr=False)
    read: Reader | None = None
    max_shrink: float = 0.0
    description: str = ""

    def __post_init__(self) -> None:
        where = f"source {self.name!r}"
        check_name(self.name, kind="source", where=where)
        if not isinstance(self.path, (str, Path)) or not hasattr(self.contract, "to_schema"):
            raise InvalidDeclaration(
                where,
                what=f"path is {self.path!r:.80}, contract is {self.contract!r:.80}.",
                state="was not declared",
                next_step="give a path, and a class derived from pa.DataFrameModel.",
            )
        if self.read is None and Path(self.path).suffix not in _READERS:
            raise InvalidDeclaration(
                where,
                what=f"No reader is known for {self.path!r}. {did_you_mean(Path(self.path).suffix, _READERS)}",
                state="was not declared",
                next_step="give read=, a function from a path to a Polars frame.",
            )
        if not isinstance(self.max_shrink, (int, float)) or not 0 <= self.max_shrink <= 1:
            raise InvalidDeclaration(
                where, what=f"max_shrink is {self.max_shrink!r}.", state="was not declared", next_step="use 0 to 1."
            )
        self.spec  # noqa: B018  # a contract that cannot be used is refused here, not at the first delivery

    @cached_property
    def spec(self) -> ContractSpec:
        """The raw contract as data."""
        return contract_spec(self.contract, f"source {self.name!r}")

    @property
    def reader(self) -> Reader:
        """The function that reads the file."""
        return self.read or _READERS[Path(self.path).suffix]

    def locate(self, data: Path | None) -> Path:
        """The file of this run.

        Raises:
            SourceMissing: It is not there; names what the folder has.
        """
        path = Path(self.path) if data is None else data / self.path
        if path.is_file():
            return path
        folder = path.parent
        if path.exists():
            what = f"{str(path)!r} is no file."
        elif not folder.is_dir():
            what = f"There is no file {str(path)!r}. There is no folder {str(folder)!r} either."
        else:
            what = f"There is no file {str(path)!r}. {did_you_mean(path.name, [p.name for p in folder.iterdir()])}"
        raise SourceMissing(
            f"source {self.name!r}",
            what=what,
            state="was not read",
            next_step="give the folder that holds it, e.g. make run DATA=path/to/folder.",
        )


def file_hash(path: Path) -> str:
    """The file's sha256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
