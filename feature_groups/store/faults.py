"""Named fault points, so that tests can kill, fail or delay what changes a lake anywhere.

A point does nothing unless ``ALLUVIA_FAULTS`` names it: ``write.after_commit:kill@1;write.locked:raise@2``. The
number says at which passage it acts. Modes: ``kill`` (SIGKILL to the own process), ``raise`` (OSError),
``lost_ack`` (the same after the effect: what a caller sees when an acknowledgement is lost), ``delay`` (one
second), ``enospc`` (disk full).
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections import Counter

POINTS: dict[str, str] = {
    "write.before_lock": "the batch is checked; nothing is locked or written",
    "write.locked": "the table's lock is held; nothing is written",
    "write.created": "the empty table exists; no rows are in it",
    "write.quarantined": "the bad rows are in the rejected table; the good ones are not written",
    "write.classified": "new, changed and unchanged rows are told apart",
    "write.spooled": "the rows to commit lie in the spool",
    "write.before_commit": "Spark is about to commit",
    "write.after_commit": "the commit is in the log; nobody has been told",
    "write.before_receipt": "the receipt is made, but not stored",
    "write.after_receipt": "the receipt is stored; the caller has not got it",
    "step.before_record": "the step's write is done; its record is not written",
    "model_step.logged": "a model step is in its log; it cannot be found by what it depends on",
    "step.after_record": "the step's record is written",
    "dataset.made": "the rows lie in the spool; nothing is pinned or numbered",
    "dataset.pinned": "the versions are pinned; the dataset is not in its place",
    "dataset.moved": "the files are in their place; no manifest names them",
    "dataset.recorded": "the manifest is written; the caller has not got it",
    "dataset.restoring": "a damaged part is removed; the new one is not in its place",
    "dataset.restored": "the new files are in their place; they are not listed",
    "vacuum.planned": "what goes is known; nothing is removed",
    "vacuum.recorded": "the vacuum is recorded; nothing is removed",
    "vacuum.removing": "some of the files are removed",
    "release.member_stored": "a member's bytes are stored; no reference names them",
    "release.member_known": "a member's reference is stored; its maker has not got it",
    "release.checked": "the release can be made; its manifest is not written",
    "release.written": "the manifest is written; the release is not in the log",
    "release.recorded": "the release is in the log; its maker has not got it",
    "release.before_switch": "the release may be promoted; nothing is switched",
    "release.after_switch": "the switch is written; nobody has been told",
    "release.collecting": "some of what no release in use needs is removed",
}
"""Every point, with the state the data is in there."""

_passages: Counter[str] = Counter()


class LostAcknowledgement(ConnectionError):
    """Raised by the ``lost_ack`` mode: the effect happened, the caller does not know."""


def faultpoint(name: str) -> None:
    """Act as ``ALLUVIA_FAULTS`` says for this point; do nothing when it is not named."""
    assert name in POINTS, name
    plan = os.environ.get("ALLUVIA_FAULTS")
    if not plan:
        return
    _passages[name] += 1
    for item in plan.split(";"):
        point, _, action = item.partition(":")
        mode, _, at = action.partition("@")
        if point == name and _passages[name] == int(at or 1):
            _act(mode, name)


def _act(mode: str, name: str) -> None:
    match mode:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "lost_ack":
            raise LostAcknowledgement(f"acknowledgement lost at {name}")
        case "raise":
            raise ConnectionError(f"fault injected at {name}")
        case "enospc":
            raise OSError(errno.ENOSPC, "No space left on device", name)
        case "delay":
            time.sleep(1)
        case _:
            raise ValueError(f"unknown fault mode {mode!r} at {name}")
