"""Random histories of events side by side in one table, so that one refresh checks all of them at once."""

from __future__ import annotations

import random

Place = tuple[int, int]
"""A key and an hour, which together name an event."""

KINDS = ("new", "late", "corrected", "deleted", "gone", "untouched")


class Histories:
    """Independent histories of two keys each; `stored` holds the value of every event there should be."""

    def __init__(self, seed: int, count: int) -> None:
        self._draw = random.Random(seed)
        self._kinds = ["untouched"] * count
        self.stored = {(k, self._draw.randint(0, 60)): self._value() for k in range(2 * count) for _ in range(4)}

    def step(self) -> tuple[dict[Place, int], list[Place]]:
        """Change every history in one way: events to insert with their values, and events to delete."""
        inserted: dict[Place, int] = {}
        deleted: list[Place] = []
        for number in range(len(self._kinds)):
            kind, key = self._draw.choice(KINDS), 2 * number + self._draw.randint(0, 1)
            hours = [hour for k, hour in self.stored if k == key]
            kind = kind if hours or kind == "untouched" else "new"
            self._kinds[number] = kind
            match kind:
                case "new":
                    later = max(hours, default=0) + self._draw.randint(1, 40)
                    inserted |= {(key, later + n): self._value() for n in range(self._draw.randint(1, 3))}
                case "late":
                    inserted[key, self._draw.randint(0, max(hours))] = self._value()
                case "corrected":
                    inserted[key, self._draw.choice(hours)] = self._value()
                case "deleted":
                    deleted.append((key, self._draw.choice(hours)))
                case "gone":
                    deleted += [(key, hour) for hour in hours]
        self.stored = {place: value for place, value in self.stored.items() if place not in deleted} | inserted
        return inserted, deleted

    def untouched(self) -> list[int]:
        """The keys of the histories that the last step left alone."""
        return [key for n, kind in enumerate(self._kinds) if kind == "untouched" for key in (2 * n, 2 * n + 1)]

    def kinds(self) -> set[str]:
        """What the last step did, to one history or another."""
        return set(self._kinds)

    def _value(self) -> int:
        return self._draw.randint(1, 5)
