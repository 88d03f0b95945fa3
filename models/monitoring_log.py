"""What monitoring found, in the metadata log: a judged window is not judged again, and two in a row survive a restart.

monitoring/<registry>/<release>/<span>/<start>/000001.json   what was found; the newest entry holds
monitoring/<registry>/asked/000001.json                      when a training was asked for, and why
"""

from __future__ import annotations

from datetime import UTC, datetime

from feature_groups.store.metadata import Metadata
from models.monitoring_policy import Asked
from models.monitoring_windows import Span, Window


class MonitoringLog:
    """The windows of one release.

    Args:
        metadata: Of the lake.
        registry: Name of the registry.
        release: Id of the release.
        span: How long its windows are.
    """

    def __init__(self, metadata: Metadata, registry: str, release: str, span: Span) -> None:
        self._metadata, self.registry, self.release = metadata, registry, release
        self._folder, self._asked = f"monitoring/{registry}/{release}/{span}", f"monitoring/{registry}/asked"

    def get(self, start: datetime) -> Window | None:
        """What was found in the window that begins then, if it was judged."""
        stored = self._metadata.last(self._log(start))
        return Window.from_json(stored) if stored else None

    def put(self, window: Window) -> bool:
        """Record what was found; False when just that is recorded already."""
        before = self.get(window.start)
        if before is not None and before.content == window.content:
            return False
        self._metadata.append(self._log(window.start), window.to_json())
        return True

    def until(self, start: datetime, most: int) -> list[Window]:
        """The newest windows up to the one that begins then, that one included; ascending."""
        starts = [name for name in self._starts() if name <= _name(start)][-most:]
        found = (self._metadata.last(f"{self._folder}/{name}") for name in starts)
        return [Window.from_json(stored) for stored in found if stored]

    def newest(self, most: int) -> list[Window]:
        """The newest windows, ascending."""
        return self.until(datetime.max.replace(tzinfo=UTC), most)

    def asked(self) -> datetime | None:
        """When a training was last asked for."""
        stored = self._metadata.last(self._asked)
        return datetime.fromisoformat(stored["at"]) if stored else None

    def ask(self, asked: Asked, at: datetime) -> None:
        """Record that a training is asked for."""
        self._metadata.append(
            self._asked, {"at": at.isoformat(), "release": self.release, "reasons": list(asked.reasons)}
        )

    def _log(self, start: datetime) -> str:
        return f"{self._folder}/{_name(start)}"

    def _starts(self) -> list[str]:
        return sorted({path.split("/")[-2] for path in self._metadata.names(self._folder)})


def _name(start: datetime) -> str:
    return start.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
