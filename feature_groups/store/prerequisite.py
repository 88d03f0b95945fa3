"""What this machine must have, looked at: a name, how it stands, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Prerequisite:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: ``good``; ``note``: works, but not as well as it could; ``bad``: something will fail.
        found: How it stands, with what was found.
        next_step: What to do; empty where it is good.
    """

    name: str
    state: State
    found: str
    next_step: str = ""
