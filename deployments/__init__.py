"""Where and when flows run: names, schedules, events, servers."""

from __future__ import annotations
