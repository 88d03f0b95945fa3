"""The workflow pipeline: flows that read like prose and hold no logic."""

from __future__ import annotations
