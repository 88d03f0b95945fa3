"""Every setting of the store, one class; environment variables start with ``ALLUVIA_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

EngineChoice = Literal["auto", "polars", "spark"]


class Settings(BaseSettings):
    """Where the lake is, which Spark commits to it, and what fits one machine."""

    model_config = SettingsConfigDict(env_prefix="ALLUVIA_", extra="forbid", frozen=True)

    home: Path = Field(
        default=Path(".alluvia"),
        description="Folder for everything the project makes: lake, caches, server state, generated data.",
    )
    lake: Path | None = Field(default=None, description="Folder of the lake; `<home>/lake` when not set.")
    data: Path | None = Field(default=None, description="Folder of the raw files that sources are read from.")
    spark_master: str = Field(
        default="local[2]", description="Spark master URL, e.g. `spark://host:7077`; Spark Connect is not supported."
    )
    spark_memory: str = Field(default="2g", description="Memory of the driver's JVM, as Spark writes it.")
    engine: EngineChoice = Field(default="auto", description="Which engine computes: by size, or always one.")
    polars_rows: int = Field(
        default=20_000_000, ge=1, description="Rows up to which `auto` computes with Polars in memory."
    )
    spark_buckets: int = Field(
        default=8, ge=1, description="Buckets of keys, at least, in which Spark runs the Polars kernels."
    )
    spark_key_rows: int = Field(
        default=5_000_000,
        ge=1,
        description="Rows of a key that a Spark worker takes at once; larger keys go by SQL. There are so many buckets"
        " that one has half as many rows on average.",
    )
    lock_timeout: float = Field(
        default=600.0, gt=0, description="Seconds to wait for another writer of the same table."
    )
    clock: Path | None = Field(
        default=None,
        description="File that holds the instant which counts as now, as ISO text with a zone; for replays.",
    )
    class_data_sharing: bool = Field(
        default=True, description="Make and use the JVM class-data archive that halves Spark's start-up."
    )

    @property
    def lake_path(self) -> Path:
        """The lake's folder, absolute."""
        return (self.lake or self.home / "lake").expanduser().resolve()

    @property
    def cache_path(self) -> Path:
        """The project cache (jars, class-data archives), absolute."""
        return (self.home / "cache").expanduser().resolve()
