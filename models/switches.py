"""Who is champion: a numbered log of switches, each one object that says all of it.

A switch is one write that only one process can make, so that a reader sees the releases before it or those after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from feature_groups.store.metadata import Metadata
from models.errors import SwitchConflict

Action = Literal["promote", "challenge", "rollback"]


@dataclass(frozen=True)
class Switch:
    """The releases in charge from a switch on.

    Attributes:
        number: Of the switch, from 1; 0 before the first.
        champion: Id of the release that answers.
        challenger: Id of the release that is tried beside it.
        action: What was done.
        at: When, as ISO text, UTC.
        who: By whom.
        reason: Why.
    """

    number: int = 0
    champion: str | None = None
    challenger: str | None = None
    action: Action | None = None
    at: str = ""
    who: str = ""
    reason: str = ""

    @classmethod
    def from_json(cls, number: int, stored: Mapping[str, Any]) -> Self:
        """Back from its log entry."""
        return cls(number, **stored)


class Switches:
    """The switches of one registry.

    Args:
        metadata: Where the log is.
        log: Its path.
        where: Names the registry in errors.
    """

    def __init__(self, metadata: Metadata, log: str, where: str) -> None:
        self._metadata, self._log, self._where = metadata, log, where
        self._known: Switch | None = None

    def last(self) -> Switch:
        """The newest switch; the entries after the one seen last are looked for, not listed."""
        found = self._known
        if found is None:
            number = self._metadata.last_number(self._log)
            found = self._entry(number) or Switch()
        while (following := self._entry(found.number + 1)) is not None:
            found = following
        self._known = found
        return found

    def all(self) -> list[Switch]:
        """Every switch, oldest first."""
        return [Switch.from_json(n, stored) for n, stored in enumerate(self._metadata.entries(self._log), 1)]

    def add(self, switch: Switch) -> Switch:
        """Write a switch under its number.

        Raises:
            SwitchConflict: Another process wrote that number before; says what it did.
        """
        stored = asdict(switch)
        del stored["number"]
        if self._metadata.append_after(self._log, switch.number - 1, stored):
            return switch
        winner = self.last()
        raise SwitchConflict(
            self._where,
            what=f"Switch {switch.number}, to {switch.action} {_short(switch.champion)}, came second: "
            f"{winner.who} made it a {winner.action} at {winner.at}; the champion is {_short(winner.champion)}.",
            state=f"was not switched by this (still at switch {winner.number})",
            next_step="look whether that changes your mind (registry.state()), then say it again.",
        )

    def champions(self) -> list[str]:
        """The champions up to now as a stack: a promotion adds one, a rollback goes back to an earlier one."""
        stack: list[str] = []
        for switch in self.all():
            if switch.champion is None or stack[-1:] == [switch.champion]:
                continue
            if switch.action == "rollback" and switch.champion in stack:
                del stack[len(stack) - stack[::-1].index(switch.champion) :]
            else:
                stack.append(switch.champion)
        return stack

    def _entry(self, number: int) -> Switch | None:
        stored = self._metadata.get(f"{self._log}/{number:06d}.json") if number else None
        return None if stored is None else Switch.from_json(number, stored)


def _short(release: str | None) -> str:
    return release[:12] if release else "none"
