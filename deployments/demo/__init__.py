"""`make demo`: a year in a few minutes, replayed month by month through events."""

from __future__ import annotations
