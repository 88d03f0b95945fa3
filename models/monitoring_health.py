"""How old the newest data is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Fresh:
    """The age of a feature group's newest event.

    Attributes:
        group: ``<name>_v<version>``.
        newest: The event's instant; None where there is none yet.
        at: The instant at which its age is told, aware.
        limit: How old it may be.
    """

    group: str
    newest: datetime | None
    at: datetime
    limit: timedelta

    @property
    def age(self) -> timedelta | None:
        """How old it is."""
        return None if self.newest is None else self.at - self.newest

    @property
    def stale(self) -> bool:
        """Whether it is older than it may be."""
        return self.age is None or self.age > self.limit
