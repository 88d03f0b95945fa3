"""The numbered log of a view's training datasets, and the folders of those that are in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_groups.store.commit_note import author
from feature_groups.store.dataset_files import Files
from feature_groups.store.faults import faultpoint
from feature_groups.store.feature_view import FeatureView
from feature_groups.store.lock import table_lock
from feature_groups.store.metadata import Metadata
from feature_groups.store.pins import Pins

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

Json = Mapping[str, Any]


class DatasetLog:
    """The manifests of one view's training datasets: a dataset exists from its manifest on.

    A dataset is made in the spool. Under the view's lock it is pinned, its folder is moved beside those of the others,
    and its manifest is written; what a creation that died in between left behind is removed by the next one.
    """

    def __init__(self, store: FeatureStore, view: FeatureView) -> None:
        self._store, self._view = store, view
        self._log = f"views/{view.id}/datasets"
        self.root = datasets_folder(store.lake, view.id)

    def get(self, number: int) -> Json | None:
        """The manifest of a number, or None."""
        return self._store.metadata.get(f"{self._log}/{number:06d}.json")

    def last(self) -> int:
        """The newest number, 0 for none."""
        return self._store.metadata.last_number(self._log)

    def all(self) -> list[dict[str, Any]]:
        """Every manifest, oldest first."""
        return self._store.metadata.entries(self._log)

    def find(self, digest: str) -> int | None:
        """The number of the dataset that the same pins, spine, split and seed gave."""
        return next((int(stored["number"]) for stored in self.all() if stored["digest"] == digest), None)

    def record(self, digest: str, manifest: Json, folder: Path) -> int:
        """Number a dataset, pin what it was made from, and write its manifest.

        Args:
            digest: Of everything that decides whether two datasets are the same one.
            manifest: What it holds and came from.
            folder: Its files, in the spool.

        Returns:
            Its number; that of the same dataset where another process made it meanwhile.
        """
        with self._locked():
            if (found := self.find(digest)) is not None:
                return found
            number = self.last() + 1
            self._remove_traces(number)
            for pin in manifest["pins"]:
                group = next(g for g in self._view.groups if g.id == pin["group"])
                table = self._store.get_or_create_feature_group(group).table
                self._store.writer.pin(table, pin["version"], self._owner(number))
            faultpoint("dataset.pinned")
            self.root.mkdir(parents=True, exist_ok=True)
            folder.rename(self.root / folder.name)
            faultpoint("dataset.moved")
            entry = {**manifest, "digest": digest, "number": number, "folder": folder.name}
            self._store.metadata.append(self._log, json.loads(json.dumps(entry)))
        faultpoint("dataset.recorded")
        return number

    def replace(self, number: int, names: Sequence[str], made: Mapping[str, Files], source: Path, target: Path) -> None:
        """Put files in the place of ones that are missing or damaged, and list them anew."""
        if not names:
            return
        with self._locked():
            for name in names:
                shutil.rmtree(target / name, ignore_errors=True)
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                faultpoint("dataset.restoring")
                (source / name).rename(target / name)
            faultpoint("dataset.restored")
            self._store.metadata.append(f"views/{self._view.id}/files/{number}", {n: dict(made[n]) for n in names})

    def files(self, manifest: Json) -> dict[str, Files]:
        """The files of a dataset, those that were put in place later included."""
        return stored_files(self._store.metadata, manifest)

    def _owner(self, number: int) -> str:
        return f"training dataset {self._view.id}/{number}"

    def _remove_traces(self, number: int) -> None:
        """Remove what creations left that died under the lock: folders that no manifest names, pins of this number."""
        named = {stored["folder"] for stored in self.all()}
        for folder in self.root.iterdir() if self.root.exists() else ():
            if folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)
        pins = Pins(self._store.metadata)
        for group in self._view.groups:
            for (table_id, version), owners in pins.pinned(group.id).items():
                if self._owner(number) in owners:
                    pins.unpin(group.id, table_id, version, self._owner(number))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._store.lake / "locks" / f"datasets_{self._view.id}.lock"
        with table_lock(path, timeout=self._store.writer.lock_timeout, who=author(), where=self._view.where):
            yield


def datasets_folder(lake: Path, view_id: str) -> Path:
    """Where the folders of a view's training datasets are."""
    return lake / "training_datasets" / view_id


def stored_files(metadata: Metadata, manifest: Json) -> dict[str, Files]:
    """The files of a dataset, those that were put in place later included."""
    later = metadata.entries(f"views/{manifest['view']}/files/{manifest['number']}")
    return {name: found for entry in [manifest["files"], *later] for name, found in entry.items()}


def every_manifest(metadata: Metadata) -> list[dict[str, Any]]:
    """The manifests of all training datasets of a lake, by view and number."""
    paths = [path for path in metadata.names("views") if path.split("/")[2] == "datasets"]
    return [found for path in paths if (found := metadata.get(path)) is not None]
