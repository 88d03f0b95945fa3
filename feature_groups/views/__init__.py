"""One feature view per decision."""

from __future__ import annotations
