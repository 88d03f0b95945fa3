"""What talks to Delta, Spark and Polars; imported only by the composition root."""

from __future__ import annotations
