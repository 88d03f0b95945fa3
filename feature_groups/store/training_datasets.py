"""Making, finding and rebuilding the training datasets of a view: numbered, immutable, pinned."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.code_closure import closure
from feature_groups.store.commit_note import author
from feature_groups.store.dataset_files import files_of, write_rows
from feature_groups.store.dataset_guards import warnings
from feature_groups.store.dataset_log import DatasetLog
from feature_groups.store.dataset_parts import ROLES, Made, Request, content_hash, made_parts
from feature_groups.store.digest import digest
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import (
    DatasetDamaged,
    DatasetDiffers,
    EmptyBatch,
    NothingWritten,
    UnknownTrainingDataset,
)
from feature_groups.store.faults import faultpoint
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.names import ROW
from feature_groups.store.point_in_time import Pin, chosen_engine, pinned
from feature_groups.store.reader import AsOf
from feature_groups.store.revision import REVISION
from feature_groups.store.spine import Spine, conformed_spine
from feature_groups.store.split_rule import Split
from feature_groups.store.spool import spools_cleared
from feature_groups.store.step_changes import lock_hash
from feature_groups.store.training_dataset import TrainingDataset
from feature_groups.store.view_contract import view_contract

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

log = logging.getLogger(__name__)

_SPINE = "spine"


class TrainingDatasets:
    """The training datasets of one view in one lake."""

    def __init__(self, store: FeatureStore, view: FeatureView) -> None:
        self._store, self._view, self._log = store, view, DatasetLog(store, view)

    def create(
        self, data: object, split: Split | None, seed: int, as_of: AsOf, engine: str | None, *, materialize: bool
    ) -> TrainingDataset:
        """Make a training dataset, or find the one that the same pins, spine, split and seed gave before."""
        view, store = self._view, self._store
        pins = pinned(store, view.groups, as_of)
        with spools_cleared():
            spine = self.conformed(data)
            if not spine.rows:
                raise EmptyBatch(
                    view.where,
                    what="The spine has the right columns, but no rows.",
                    state="was not joined",
                    next_step="find out why nothing came.",
                )
            if split is not None:
                split.validate(self._types(spine), view.entity, spine.time)
            folder = store.shop.spool()
            spine = self._kept(spine, folder)
            content = _content(spine, store.shop.polars)
            identity = self._identity(pins, content, split, seed)
            identity_digest = digest(identity)
            files = {_SPINE: files_of(folder, _SPINE)}
            if (number := self._log.find(identity_digest)) is not None:
                return self._found(self.get(number), files, folder, engine, materialize=materialize)
            request, why = self._request(spine, folder, split, seed, pins, engine)
            made = made_parts(store, request, folder if materialize else None)
            faultpoint("dataset.made")
            manifest = {
                "spine": {"rows": spine.rows, "content": content, "columns": list(spine.columns)},
                "order": list(made.parts),
                "split_text": repr(split) if split else "not split",
                "materialized": materialize,
                "engine": why,
                **identity,
                "pins": [asdict(pin) for pin in pins.values()],
                "warnings": warnings(made.look_ups, spine.rows),
                **self._facts(),
                **vars(made),
                "files": {**files, **made.files},
            }
            dataset = self.get(self._log.record(identity_digest, manifest, folder))
        for warning in dataset.manifest["warnings"]:
            log.warning("%s: %s", dataset.where, warning)
        return dataset

    def get(self, number: int) -> TrainingDataset:
        """The training dataset of a number.

        Raises:
            UnknownTrainingDataset: There is none; says which there are.
        """
        stored = self._log.get(number) if _is_number(number) else None
        if stored is None:
            last = self._log.last()
            there = f"it has 1 to {last}" if last else "it has none yet"
            raise UnknownTrainingDataset(
                self._view.where,
                what=f"It has no training dataset {number!r}; {there}.",
                state="is as it was",
                next_step="take one of these, or make one: fv.create_training_dataset(spine=...).",
            )
        return self._opened(stored)

    def all(self) -> list[TrainingDataset]:
        """Every training dataset, oldest first."""
        return [self._opened(stored) for stored in self._log.all()]

    def rebuild(self, number: int, engine: str | None, *, restore: bool = True) -> TrainingDataset:
        """Make a training dataset again from its pins, compare it with what it was, and `restore` missing files.

        Raises:
            DatasetDamaged: Its spine or a pinned version is gone; says which.
            DatasetDiffers: It does not hold what it held.
        """
        known = self.get(number)
        manifest, store = known.manifest, self._store
        pins = {pin["group"]: Pin(**pin) for pin in manifest["pins"]}
        self._check_pins(known, pins)
        with spools_cleared():
            spine = self._kept_spine(known)
            split = Split.from_json(manifest["split"]) if manifest["split"] else None
            request, _ = self._request(spine, known.folder, split, manifest["seed"], pins, engine)
            folder = store.shop.spool()
            made = made_parts(store, request, folder)
            self._compare(known, made)
            missing = [name for name in made.files if restore and not known.is_whole(name)]
            self._log.replace(number, missing, made.files, folder, known.folder)
        return self.get(number)

    def asked(self, data: object, split: Split | None, seed: int) -> tuple[dict[str, Any], TrainingDataset | None]:
        """What decides whether a dataset is there already, as plain values, and the one that is; writes nothing."""
        pins, shop = pinned(self._store, self._view.groups, None), self._store.shop
        with spools_cleared():
            content = _content(self.conformed(data), shop.polars)
        identity = self._identity(pins, content, split, seed)
        number = self._log.find(digest(identity))
        return identity, None if number is None else self.get(number)

    def conformed(self, data: object) -> Spine:
        """A spine with what the view needs for training."""
        view = self._view
        brought = [name for role in ROLES for name in view.roles[role][1]]
        taken = [o.name for role in ROLES for o in view.outputs(role)] + [t.name for t in view.transforms]
        return conformed_spine(
            data, view.spine_keys, view.event_time, brought, taken, f"spine of {view.where}", self._store.shop
        )

    def _types(self, spine: Spine) -> Mapping[str, pl.DataType]:
        """The columns that a split may go by: the spine's and the labels."""
        return {**{o.name: o.spec.polars for o in self._view.outputs("labels")}, **spine.columns}

    def _request(
        self,
        spine: Spine,
        folder: Path,
        split: Split | None,
        seed: int,
        pins: Mapping[str, Pin],
        engine: str | None,
    ) -> tuple[Request, str]:
        """What is to be made of a kept spine, and why on that engine."""
        shop = self._store.shop
        chosen, why = chosen_engine(self._store, pins, spine.rows, engine)
        frame = _on(chosen, spine, folder, large=spine.rows > shop.budget)
        return Request(self._view, spine, frame, chosen, split, seed, pins, shop), why

    def _found(
        self,
        known: TrainingDataset,
        files: Mapping[str, Any],
        folder: Path,
        engine: str | None,
        *,
        materialize: bool,
    ) -> TrainingDataset:
        """The dataset that is there; its spine is put back if it is gone, its rows are stored if they are wanted."""
        if not known.is_whole(_SPINE):
            self._log.replace(known.number, [_SPINE], files, folder, known.folder)
            known = self.get(known.number)
        if materialize and any(f"parts/{name}" not in known.files for name in known.parts):
            return self.rebuild(known.number, engine)
        return known

    def _kept(self, spine: Spine, folder: Path) -> Spine:
        """The spine written into the dataset's folder, computed once: in memory where it fits, else read from there."""
        if spine.rows <= self._store.shop.budget:
            held = spine.frame.collect()
            write_rows(held, folder / _SPINE, [ROW, *self._view.spine_keys, spine.time])
            return replace(spine, frame=held.lazy())
        file = folder / _SPINE / "part-0.parquet"
        file.parent.mkdir(parents=True)
        spine.frame.sink_parquet(file, compression="lz4")
        return replace(spine, frame=pl.scan_parquet(file))

    def _kept_spine(self, known: TrainingDataset) -> Spine:
        paths = known.paths(_SPINE)
        frame = pl.scan_parquet(paths, glob=False)
        columns = {name: dtype for name, dtype in frame.collect_schema().items() if name != ROW}
        return Spine(frame, known.manifest["spine"]["rows"], columns, self._view.event_time)

    def _identity(self, pins: Mapping[str, Pin], spine: str, split: Split | None, seed: int) -> dict[str, Any]:
        """What decides whether two datasets are the same one."""
        return {
            "view": self._view.id,
            **view_contract(self._store, self._view),
            "pinned": {pin.group: [pin.table_id, pin.version, pin.fingerprint] for pin in pins.values()},
            "spine_content": spine,
            "split": split.to_json() if split else None,
            "seed": seed if split else 0,
        }

    def _facts(self) -> dict[str, Any]:
        """Who made it, when, with which code and libraries."""
        code = closure([t.expression for t in self._view.transforms])
        return {
            "created_at": datetime.now(UTC).isoformat(),
            "created_by": author(),
            "code": digest(code),
            "lock": lock_hash(),
            "store": REVISION,
        }

    def _opened(self, stored: Mapping[str, Any]) -> TrainingDataset:
        view = self._view
        roles = {role: view.names(role) for role in ROLES}
        chosen = {name for names in roles.values() for name in names}
        spine = [c for c in stored["spine"]["columns"] if c not in chosen]
        folder = self._log.root / stored["folder"]
        files = self._log.files(stored)
        return TrainingDataset(stored, folder, roles | {"spine": tuple(spine)}, files, self._store.shop.spark)

    def _check_pins(self, known: TrainingDataset, pins: Mapping[str, Pin]) -> None:
        reader, states = self._store.reader, self._store.writer.states
        for group in self._view.groups:
            pin, table = pins[group.id], self._store.get_or_create_feature_group(group).table
            try:
                reader.resolve(table, None)
            except NothingWritten as error:
                raise _damaged(known, f"The table of {pin.group} is gone.") from error
            if states.at(table).table_id != pin.table_id:
                raise _damaged(known, f"The table of {pin.group} was made anew; the one it was made from is gone.")
            reader.resolve(table, pin.version)
            if f"{states.at(table, pin.version).fingerprint:032x}" != pin.fingerprint:
                raise _damaged(known, f"Version {pin.version} of {pin.group} does not hold what it held.")

    def _compare(self, known: TrainingDataset, made: Made) -> None:
        was = {**known.manifest["parts"], **known.manifest["histories"]}
        now = {**made.parts, **made.histories}
        differing = [name for name in was if was[name]["content"] != now[name]["content"]]
        if differing:
            other = "" if known.manifest["lock"] == lock_hash() else " requirements.lock is another one than then."
            raise DatasetDiffers(
                known.where,
                what=f"Made again from the same pins, {' and '.join(differing)} differ in content.{other}",
                state="is stored as it was",
                next_step="compare with the versions of code and libraries that its manifest names.",
            )


def _on(engine: Engine, spine: Spine, folder: Path, *, large: bool) -> Frame:
    """The kept spine on an engine; in memory on Polars where it fits."""
    if engine.name == "polars":
        return nw.from_native(spine.frame if large else spine.frame.collect().lazy())
    return engine.files(str(folder / _SPINE))


def _content(spine: Spine, polars: Engine) -> str:
    """The content hash of a spine: values and order."""
    return content_hash(polars, nw.from_native(spine.frame), {ROW: pl.Int64(), **spine.columns}, spine.rows)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _damaged(known: TrainingDataset, what: str) -> DatasetDamaged:
    return DatasetDamaged(
        known.where,
        what=what,
        state="cannot be made again",
        next_step="read its stored parts, if it was materialized, or make a new one.",
    )
