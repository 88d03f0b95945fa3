"""Making, finding and rebuilding the training datasets of a view: numbered, immutable, pinned."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from feature_groups.store.code_closure import closure
from feature_groups.store.commit_note import author
from feature_groups.store.dataset_parts import ROLES, Made, Request, files_of, made_parts
from feature_groups.store.engine import Engine, Frame
from feature_groups.store.errors import DatasetDamaged, DatasetDiffers, EmptyBatch, UnknownTrainingDataset
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.lock import table_lock
from feature_groups.store.names import ROW
from feature_groups.store.point_in_time import Pin, chosen_engine, pinned
from feature_groups.store.reader import AsOf
from feature_groups.store.revision import REVISION
from feature_groups.store.row_hash import fingerprint
from feature_groups.store.spine import Spine, conformed_spine
from feature_groups.store.split_rule import Split
from feature_groups.store.spool import spools_cleared
from feature_groups.store.steps import lock_hash
from feature_groups.store.training_dataset import TrainingDataset

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

_NO_EFFECT = ("description", "owner", "tags")
_SLICE = 1_000_000
_SPINE = "spine"


class TrainingDatasets:
    """The training datasets of one view in one lake."""

    def __init__(self, store: FeatureStore, view: FeatureView) -> None:
        self._store, self._view = store, view
        self._log = f"views/{view.id}/datasets"
        self._root = store.lake / "training_datasets" / view.id

    def create(
        self, data: object, split: Split | None, seed: int, as_of: AsOf, engine: str | None, *, materialize: bool
    ) -> TrainingDataset:
        """Make a training dataset, or find the one that the same pins, spine, split and seed gave before."""
        view, store = self._view, self._store
        pins = pinned(store, view.groups, as_of)
        with spools_cleared(), self._folder() as folder:
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
            spine, content = self._stored(spine, folder)
            identity = self._identity(pins, content, split, seed)
            digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
            if (found := self._by_digest(digest)) is not None:
                return found
            chosen, why = chosen_engine(store, pins, spine.rows, engine)
            request = Request(view, spine, _on(chosen, spine, folder), chosen, split, seed, pins)
            made = made_parts(store, request, folder if materialize else None)
            described = {
                "spine": {"rows": spine.rows, "content": content, "columns": list(spine.columns)},
                "order": list(made.parts),
                "split_text": repr(split) if split else "not split",
                "materialized": materialize,
                "engine": why,
                **identity,
                "pins": [asdict(pin) for pin in pins.values()],
            }
            files = {"files": {_SPINE: files_of(folder, _SPINE), **made.files}}
            return self._recorded(digest, described | self._facts() | vars(made) | files, folder)

    def get(self, number: int) -> TrainingDataset:
        """The training dataset of a number.

        Raises:
            UnknownTrainingDataset: There is none; says which there are.
        """
        stored = self._store.metadata.get(f"{self._log}/{number:06d}.json") if _is_number(number) else None
        if stored is None:
            last = self._store.metadata.last_number(self._log)
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
        return [self._opened(stored) for stored in self._store.metadata.entries(self._log)]

    def rebuild(self, number: int, engine: str | None) -> TrainingDataset:
        """Make a training dataset again from its pins, compare it with what it was, and store files that are missing.

        Raises:
            DatasetDamaged: Its spine or a pinned version is gone; says which.
            DatasetDiffers: It does not hold what it held.
        """
        known = self.get(number)
        manifest, store = known.manifest, self._store
        pins = {pin["group"]: Pin(**pin) for pin in manifest["pins"]}
        self._check_pins(known, pins)
        with spools_cleared(), self._folder() as folder:
            spine = self._kept_spine(known)
            chosen, _ = chosen_engine(store, pins, spine.rows, engine)
            split = Split.from_json(manifest["split"]) if manifest["split"] else None
            frame = _on(chosen, spine, known.folder)
            made = made_parts(store, Request(self._view, spine, frame, chosen, split, manifest["seed"], pins), folder)
            self._compare(known, made)
            return self._restored(known, made, folder)

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

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A new folder for a dataset; removed again unless a manifest names it."""
        folder = self._root / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            if not any(stored["folder"] == folder.name for stored in self._store.metadata.entries(self._log)[-2:]):
                shutil.rmtree(folder, ignore_errors=True)

    def _stored(self, spine: Spine, folder: Path) -> tuple[Spine, str]:
        """The spine kept beside the dataset, and its content hash."""
        (folder / _SPINE).mkdir()
        file = folder / _SPINE / "part-0.parquet"
        spine.frame.sink_parquet(file, compression="lz4")
        kept = Spine(pl.scan_parquet(file), spine.rows, spine.columns, spine.time)
        return kept, _content(kept)

    def _kept_spine(self, known: TrainingDataset) -> Spine:
        (file,) = known.paths(_SPINE)
        frame = pl.scan_parquet(file)
        columns = {name: dtype for name, dtype in frame.collect_schema().items() if name != ROW}
        spine = Spine(frame, known.manifest["spine"]["rows"], columns, self._view.event_time)
        if _content(spine) != known.manifest["spine"]["content"]:
            raise _damaged(known, "The spine that was kept with it was changed since.")
        return spine

    def _identity(self, pins: Mapping[str, Pin], spine: str, split: Split | None, seed: int) -> dict[str, Any]:
        """What decides whether two datasets are the same one."""
        declared = {k: v for k, v in self._view.to_json().items() if k not in _NO_EFFECT}
        contracts = {g.id: self._store.get_or_create_feature_group(g).table.spec.source_hash for g in self._view.groups}
        return {
            "view": self._view.id,
            "declaration": hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest(),
            "contracts": contracts,
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
            "code": hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest(),
            "lock": lock_hash(),
            "store": REVISION,
        }

    def _by_digest(self, digest: str) -> TrainingDataset | None:
        stored = next((m for m in self._store.metadata.entries(self._log) if m["digest"] == digest), None)
        return self._opened(stored) if stored else None

    def _recorded(self, digest: str, described: Mapping[str, Any], folder: Path) -> TrainingDataset:
        """Pin what it was made from, then write the manifest: from then on the dataset exists."""
        metadata, view = self._store.metadata, self._view
        lock = self._store.lake / "locks" / f"datasets_{view.id}.lock"
        with table_lock(lock, timeout=self._store.writer.lock_timeout, who=author(), where=view.where):
            if (found := self._by_digest(digest)) is not None:
                return found
            number = metadata.last_number(self._log) + 1
            for pin in described["pins"]:
                group = next(g for g in view.groups if g.id == pin["group"])
                table = self._store.get_or_create_feature_group(group).table
                self._store.writer.pin(table, pin["version"], f"training dataset {view.id}/{number}")
            manifest = {**described, "digest": digest, "number": number, "folder": folder.name}
            metadata.append(self._log, json.loads(json.dumps(manifest)))
            return self.get(number)

    def _opened(self, stored: Mapping[str, Any]) -> TrainingDataset:
        view = self._view
        roles = {role: view.names(role) for role in ROLES}
        chosen = {name for names in roles.values() for name in names}
        spine = [c for c in stored["spine"]["columns"] if c not in chosen]
        again = self._store.metadata.entries(f"views/{view.id}/files/{stored['number']}")
        files = {name: found for entry in [stored["files"], *again] for name, found in entry.items()}
        folder = self._root / stored["folder"]
        return TrainingDataset(stored, folder, roles | {"spine": tuple(spine)}, files, self._store.shop.spark)

    def _check_pins(self, known: TrainingDataset, pins: Mapping[str, Pin]) -> None:
        for group in self._view.groups:
            pin, table = pins[group.id], self._store.get_or_create_feature_group(group).table
            self._store.reader.resolve(table, pin.version)
            state = self._store.writer.states.at(table, pin.version)
            if state.table_id != pin.table_id:
                raise _damaged(known, f"The table of {pin.group} was made anew; the one it was made from is gone.")
            if f"{state.fingerprint:032x}" != pin.fingerprint:
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

    def _restored(self, known: TrainingDataset, made: Made, folder: Path) -> TrainingDataset:
        """Put files that are missing or damaged in their place."""
        missing = [name for name in made.files if not known.is_whole(name)]
        for name in missing:
            target = known.folder / name
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / name).rename(target)
        if missing:
            log = f"views/{self._view.id}/files/{known.number}"
            self._store.metadata.append(log, {name: dict(made.files[name]) for name in missing})
        return self.get(known.number)


def _on(engine: Engine, spine: Spine, folder: Path) -> Frame:
    """The kept spine on an engine; in memory on Polars."""
    if engine.name == "polars":
        return nw.from_native(spine.frame.collect().lazy())
    return engine.files(str(folder / _SPINE))


def _content(spine: Spine) -> str:
    """The content hash of a spine: values and order."""
    schema = {ROW: pl.Int64(), **spine.columns}
    slices = (spine.frame.slice(start, _SLICE).collect() for start in range(0, spine.rows, _SLICE))
    return f"{sum(fingerprint(part, schema) for part in slices) % (1 << 128):032x}"


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _damaged(known: TrainingDataset, what: str) -> DatasetDamaged:
    return DatasetDamaged(
        known.where,
        what=what,
        state="cannot be made again",
        next_step="read its stored parts, if it was materialized, or make a new one.",
    )
