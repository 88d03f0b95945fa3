"""A training dataset: immutable parts of a view's data, described by a manifest that pins everything they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from feature_groups.store.dataset_files import Files, problem
from feature_groups.store.dataset_text import as_html, as_text
from feature_groups.store.drift import Drift, drift
from feature_groups.store.engine import Engine
from feature_groups.store.errors import DatasetDamaged, UnknownTrainingDataset, did_you_mean
from feature_groups.store.names import EVENT, ROW
from feature_groups.store.statistics import Statistics

if TYPE_CHECKING:
    import numpy as np

Format = Literal["polars", "pandas", "arrow", "numpy"]
Json = Mapping[str, Any]
WHOLE = "all"
"""The one part of a dataset that was not split."""


@dataclass(frozen=True)
class Part:
    """One part of a training dataset; ``X, y = td.train`` takes it apart.

    Attributes:
        name: ``train``, ``validation``, ``test``, ``fold_0``, ... or ``all``.
        features: What the model sees.
        labels: What it is to predict.
        helpers: Columns for training only.
        spine: What was handed over: keys, instants and what else, in the same order.
    """

    name: str
    features: Any
    labels: Any
    helpers: Any
    spine: Any

    def __iter__(self) -> Iterator[Any]:
        return iter((self.features, self.labels))

    def __repr__(self) -> str:
        shape = " x ".join(str(n) for n in getattr(self.features, "shape", ()))
        labels = getattr(self.labels, "column_names", getattr(self.labels, "columns", []))
        return f"{self.name}: features {shape}, labels {', '.join(labels)}"


@dataclass(frozen=True)
class TrainingDataset:
    """A numbered training dataset of a view.

    Attributes:
        manifest: Everything it came from and what it holds, as stored.
        folder: Where its files are.
        roles: Columns by role.
        files: Per ``parts/<name>``, ``histories/<name>`` and ``spine`` its Parquet files.
        spark: Starts Spark when called.
    """

    manifest: Json = field(repr=False)
    folder: Path
    roles: Mapping[str, tuple[str, ...]] = field(repr=False)
    files: Mapping[str, Files] = field(repr=False)
    spark: Callable[[], Engine] = field(repr=False)

    @property
    def number(self) -> int:
        """Its number among the view's training datasets."""
        return int(self.manifest["number"])

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its parts."""
        return tuple(self.manifest["order"])

    @property
    def train(self) -> Part:
        """The training part."""
        return self.split("train")

    @property
    def validation(self) -> Part:
        """The validation part."""
        return self.split("validation")

    @property
    def test(self) -> Part:
        """The test part."""
        return self.split("test")

    def split(self, name: str = WHOLE, as_: Format = "polars") -> Part:
        """A part in memory, features and labels apart, rows in the spine's order.

        Args:
            name: Which; ``all`` where nothing was split.
            as_: ``polars``, ``pandas``, ``arrow``, or ``numpy`` (2-d arrays).

        Raises:
            UnknownTrainingDataset: It has no such part.
            DatasetDamaged: Files of it are missing or cut short.
        """
        return self._apart(name, self.frame(name), as_)

    def folds(self, as_: Format = "polars") -> Iterator[tuple[Part, Part]]:
        """Per fold (all other folds, the fold): to fit, and to predict out of fold."""
        names = [name for name in self.parts if name.startswith("fold_")]
        for name in names:
            others = pl.concat([self.frame(n) for n in names if n != name]).sort(ROW)
            yield self._apart(f"all but {name}", others, as_), self.split(name, as_)

    def frame(self, name: str = WHOLE) -> pl.DataFrame:
        """A part with all its columns, ``__row`` first: the row's position in the spine."""
        return pl.scan_parquet(self._files(name), glob=False).sort(ROW).collect()

    def scan(self, name: str = WHOLE) -> pl.LazyFrame:
        """A part as a lazy frame; rows of one that Spark made come in no order. Checksums are not compared."""
        return pl.scan_parquet(self._files(name, read=False), glob=False)

    def to_spark(self, name: str = WHOLE) -> Any:
        """A part as a Spark frame, in no order; ``__row`` is the position in the spine. Checksums are not compared."""
        return self.spark().files(str(self._files(name, read=False)[0].parent)).to_native()

    def history(self, name: str) -> pl.DataFrame:
        """The event inputs of a history: ``__row`` of the spine and the events' columns, oldest first."""
        if name not in self.manifest["histories"]:
            raise self._unknown("history", name, list(self.manifest["histories"]))
        return pl.scan_parquet(self.paths(f"histories/{name}"), glob=False).sort(ROW, EVENT).drop(EVENT).collect()

    def statistics(self, name: str | None = None) -> Statistics:
        """The statistics of a part, as they were computed when it was made; by default of the first part."""
        chosen = name or self.parts[0]
        return Statistics.from_json(self._part(chosen)["statistics"])

    def drift(self, name: str = "test", reference: str = "train") -> Drift:
        """How the features of a part differ from those of the reference part, from their stored statistics."""
        before, after = self.statistics(reference), self.statistics(name)
        return drift(before, after, (reference, name), self.roles["features"])

    def _apart(self, name: str, frame: pl.DataFrame, as_: Format) -> Part:
        made = {role: _as(frame.select(columns), as_) for role, columns in self.roles.items()}
        return Part(name, made["features"], made["labels"], made["training_helpers"], made["spine"])

    def _part(self, name: str) -> Json:
        if name not in self.manifest["parts"]:
            raise self._unknown("part", name, self.parts)
        found: Json = self.manifest["parts"][name]
        return found

    def _files(self, name: str, *, read: bool = True) -> list[Path]:
        self._part(name)
        return self.paths(f"parts/{name}", read=read)

    def _unknown(self, kind: str, name: str, there: Sequence[str]) -> UnknownTrainingDataset:
        return UnknownTrainingDataset(
            self.where,
            what=f"It has no {kind} {name!r}. {did_you_mean(str(name), there)}",
            state="is as it was",
            next_step="correct the name.",
        )

    def is_whole(self, name: str) -> bool:
        """Whether all files of ``parts/<name>``, ``histories/<name>`` or ``spine`` are there as they were written."""
        return name in self.files and not any(problem(self.folder, *file) for file in self._listed(name))

    def paths(self, name: str, *, read: bool = True) -> list[Path]:
        """The files of ``parts/<name>``, ``histories/<name>`` or ``spine``.

        Args:
            name: Which.
            read: Compare their checksums too, which reads them.

        Raises:
            DatasetDamaged: They were not stored, are missing, cut short or changed.
        """
        again = f"make it again from its pins: fv.rebuild({self.number})."
        if name not in self.files:
            raise self._damaged("It was made with materialize=False: only its manifest and spine were stored.", again)
        for file, size, digest in self._listed(name):
            if found := problem(self.folder, file, size, digest if read else None):
                same = "create it again from the same spine, which puts the file back." if name == "spine" else again
                raise self._damaged(f"The file {file} {found}.", same)
        return [self.folder / file for file in self.files[name]]

    def _listed(self, name: str) -> Iterator[tuple[str, int, str]]:
        return ((file, size, digest) for file, (size, digest) in self.files[name].items())

    def _damaged(self, what: str, next_step: str) -> DatasetDamaged:
        return DatasetDamaged(self.where, what=what, state="cannot be read whole", next_step=next_step)

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"training dataset {self.number} of feature view {self.manifest['view']}"

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def _as(frame: pl.DataFrame, as_: Format) -> pl.DataFrame | np.ndarray[Any, Any] | Any:
    match as_:
        case "pandas":
            return frame.to_pandas()
        case "arrow":
            return frame.to_arrow()
        case "numpy":
            return frame.to_numpy()
    return frame
