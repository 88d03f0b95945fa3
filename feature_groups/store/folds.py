"""K folds for cross-validation and for out-of-fold predictions: whole entities, dealt like cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from feature_groups.store.split_rule import Given, Split, column_names, declared_wrong
from feature_groups.store.splits import seeded_hashes

_SHOWN = 5


@dataclass(frozen=True, repr=False)
class KFold(Split, kind="k_fold"):
    """k folds of whole entities, with the same mix of labels in each.

    Entities are ordered by label and then by their seeded hash, and dealt in turn: fold sizes, in entities, differ by
    at most one, overall and within each label. Folds that even in size cannot also be stable: an entity that
    comes or goes may move others. A training dataset keeps what was assigned.

    Attributes:
        k: Number of folds, at least 2.
        stratify: The label's column, in the frame that is split. The label of an entity with several rows is the
            largest one: true if any is. None deals without looking at labels.
        by: Columns that name what stays whole; the entity by default.
    """

    k: int = 5
    stratify: str | None = None
    by: Sequence[str] = ()

    def __post_init__(self) -> None:
        if type(self.k) is not int or self.k < 2:
            raise declared_wrong("KFold", f"k is {self.k!r}.", "choose a whole number of folds, at least 2.")
        if self.stratify is not None and not isinstance(self.stratify, str):
            raise declared_wrong("KFold", f"stratify is {self.stratify!r}.", "name one column, or None.")
        object.__setattr__(self, "by", column_names(self.by, rule="KFold"))

    @property
    def names(self) -> tuple[str, ...]:
        """``fold_0`` to ``fold_<k - 1>``."""
        return tuple(f"fold_{i}" for i in range(self.k))

    def grouped_by(self, entity: Sequence[str]) -> tuple[str, ...]:
        """``by``, or the entity."""
        return tuple(self.by or entity)

    @property
    def _label(self) -> str | None:
        return self.stratify

    def _parts(self, given: Given) -> pl.Series:
        by = self.grouped_by(given.entity)
        keys = [f"key_{i}" for i in range(len(by))]
        rows = given.frame.select(
            *(pl.col(name).alias(key) for name, key in zip(by, keys, strict=True)),
            (pl.lit(True) if self.stratify is None else pl.col(self.stratify)).alias("label"),
            pl.Series("hash", seeded_hashes(given.frame, by, given.seed)),
        )
        entities = rows.group_by(keys).agg(pl.col("label").max(), pl.col("hash").first())
        self._refuse_few(entities)
        dealt = entities.sort("label", "hash", *keys).with_row_index("place")
        folds = dealt.select(*keys, (pl.col("place") % self.k).alias("fold"))
        of_row = rows.select(keys).join(folds, on=keys, how="left", maintain_order="left").get_column("fold")
        return pl.Series(self.names).gather(of_row)

    def _refuse_few(self, entities: pl.DataFrame) -> None:
        counts = entities.group_by("label").len().sort("len", "label")
        few = counts.filter(pl.col("len") < self.k).rows()
        if not few:
            return
        listed = [f"Only {self._counted(label, n)} for {self.k} folds." for label, n in few[:_SHOWN]]
        more = [f"And {len(few) - _SHOWN:,} labels more."] if len(few) > _SHOWN else []
        least = few[0][1]
        fewer = [f"choose k={least} at most"] if least > 1 else []
        merge = ["join rare labels into one", "leave out stratify="] if self.stratify else ["hand over more entities"]
        raise self._refused("\n".join(listed + more), f"{', or '.join(fewer + merge)}.")

    def _counted(self, label: object, n: int) -> str:
        of = "" if self.stratify is None else f" of {self.stratify} = {label}"
        return f"{n:,} {'entity' if n == 1 else 'entities'}{of}"
