"""Where "now" comes from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from feature_groups.store.errors import InvalidSettings

Clock = Callable[[], datetime]
"""Returns the present instant, aware, in UTC."""


def system_clock() -> datetime:
    """The system's time in UTC, to the microsecond."""
    return datetime.now(UTC)


def file_clock(path: Path) -> Clock:
    """A clock that stands at the instant written in a file, and moves when another is written there.

    Args:
        path: Holds an instant as ISO text with a zone, for example ``2002-02-01T00:00+00:00``.

    Returns:
        The clock. It raises InvalidSettings while the file holds no such text.
    """

    def now() -> datetime:
        try:
            at = datetime.fromisoformat(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise _no_instant(path, str(error)) from None
        if at.tzinfo is None:
            raise _no_instant(path, f"The instant {at.isoformat()} has no zone.")
        return at.astimezone(UTC)

    return now


def _no_instant(path: Path, what: str) -> InvalidSettings:
    return InvalidSettings(
        f"clock {str(path)!r}",
        what=what,
        state="was not read; nothing was written",
        next_step="write an instant such as 2002-02-01T00:00+00:00 there, or unset ALLUVIA_CLOCK.",
    )
