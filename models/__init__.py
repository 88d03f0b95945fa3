"""Transforms, multimodal input, cascades, evaluation and releases, importable without Prefect."""

from __future__ import annotations
