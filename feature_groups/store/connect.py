"""The composition root: the only place that knows which engines there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from feature_groups.store.batch import Workshop
from feature_groups.store.clock import Clock, file_clock, system_clock
from feature_groups.store.engines import session
from feature_groups.store.engines.delta_log import DeltaLog
from feature_groups.store.engines.polars import PolarsEngine
from feature_groups.store.engines.prerequisites import spark_prerequisites
from feature_groups.store.engines.session import session_started
from feature_groups.store.engines.spark import SparkEngine
from feature_groups.store.errors import InvalidSettings, did_you_mean
from feature_groups.store.feature_store import FeatureStore
from feature_groups.store.metadata import Metadata
from feature_groups.store.reader import Reader
from feature_groups.store.settings import Settings
from feature_groups.store.sketch import Sketch, refuse_commits
from feature_groups.store.spool import new_spool, scratch
from feature_groups.store.writer import Writer

_ODD = re.compile(r"[^A-Za-z0-9/._+~@,:-]")

__all__ = [
    "connect",
    "existing",
    "load_settings",
    "session_kept",
    "session_started",
    "spark_prerequisites",
    "stop_session",
]


def connect(
    lake: str | Path | None = None,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    look_only: bool = False,
) -> FeatureStore:
    """The feature store of a lake; Spark starts only when something must be written or is too large.

    Args:
        lake: The lake's folder; by default the one in the settings.
        settings: Where the lake is and which Spark commits; by default from ``ALLUVIA_*``.
        clock: Where "now" comes from; by default what the settings say, or else the system's.
        look_only: Leave no trace in the lake, which need not exist: what would be written to its metadata is kept in
            memory, and a commit is refused.

    Raises:
        InvalidSettings: A setting cannot be used; names it.
    """
    chosen = settings or load_settings()
    if lake is not None:
        chosen = chosen.model_copy(update={"lake": Path(lake)})
    root = chosen.lake_path
    if root.exists() and not root.is_dir():
        raise InvalidSettings(
            f"lake {str(root)!r}",
            what="It is a file, not a folder.",
            state="was not opened",
            next_step="give a folder, e.g. ALLUVIA_LAKE=path/to/lake.",
        )
    if odd := sorted(set(_ODD.findall(str(root)))):
        raise InvalidSettings(
            f"lake {str(root)!r}",
            what=f"Its path has {', '.join(map(repr, odd))}; Polars and Delta would not mean the same files by it.",
            state="was not opened",
            next_step="give a folder of ASCII letters, digits and /._-+~@,: only, e.g. ALLUVIA_LAKE=/data/lake.",
        )
    spark = SparkEngine(chosen)
    spool = scratch() if look_only else partial(new_spool, root)
    shop = Workshop(PolarsEngine(), lambda: spark, chosen.engine, chosen.polars_rows, spool)
    clock = clock or (file_clock(chosen.clock.expanduser().resolve()) if chosen.clock else system_clock)
    log = DeltaLog()
    metadata = Sketch(root / "metadata") if look_only else Metadata(root / "metadata")
    writer = Writer(
        log, partial(refuse_commits, root) if look_only else lambda: spark, metadata, clock, shop, chosen.lock_timeout
    )
    return FeatureStore(root, metadata, Reader(log, metadata, shop), writer, shop, clock)


def existing(lake: str | Path | None = None) -> FeatureStore:
    """The feature store of a lake that is there already: for verbs that only look, which must make nothing.

    Args:
        lake: The lake's folder; by default the one in the settings.

    Raises:
        InvalidSettings: A setting cannot be used, or there is no lake in that folder.
    """
    root = Path(lake).expanduser().resolve() if lake is not None else load_settings().lake_path
    if not root.is_file() and not (root / "metadata").is_dir():
        raise InvalidSettings(
            f"lake {str(root)!r}",
            what="The folder holds no lake." if root.exists() else "There is no such folder.",
            state="was not opened",
            next_step="name the lake's folder, or fill one: make run.",
        )
    return connect(root)


def stop_session() -> None:
    """End the Spark session, its JVM and its folder; nothing happens when there is none, or within `session_kept`."""
    if not _keeping:
        session.stop_session()


@contextmanager
def session_kept() -> Iterator[None]:
    """Within, a Spark session outlives the flow that started it: flows one after the other start one JVM, not each."""
    _keeping.append(True)
    try:
        yield
    finally:
        _keeping.pop()
        stop_session()


_keeping: list[bool] = []


def load_settings() -> Settings:
    """The settings from the environment.

    Raises:
        InvalidSettings: A value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidSettings(
            f"setting ALLUVIA_{name}",
            what=f"{first['msg']}. {did_you_mean(name.lower(), Settings.model_fields)}",
            state="was not used",
            next_step="correct or unset it; feature_groups/store/settings.py lists every setting.",
        ) from None
