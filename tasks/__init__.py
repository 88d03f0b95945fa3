"""One Prefect task per verb, thin and retried; no data logic."""

from __future__ import annotations
