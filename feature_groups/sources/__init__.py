"""Where raw data lands, and the contract it must meet."""

from __future__ import annotations
