"""Predictions as rows of the feature group `predictions`, and the id that names each."""

from __future__ import annotations

import hashlib
from datetime import datetime

from feature_groups.store.digest import canonical_json
from models.artefact import made_with
from models.release import GroupUsed


def prediction_id(release: str, user_id: int, asked_at: datetime) -> str:
    """sha256 of release, user and instant: the same question to the same release is the same prediction.

    Args:
        release: Id of the release.
        user_id: Of the user.
        asked_at: Aware of its time zone; counted in microseconds since 1970 UTC.
    """
    micros = round(asked_at.timestamp() * 1_000_000)
    return hashlib.sha256(f"{release}|{user_id}|{micros}".encode()).hexdigest()


def versions_text(groups: tuple[GroupUsed, ...]) -> str:
    """The versions that features were read at, as the JSON that a prediction keeps: table id and version by group."""
    return canonical_json({used.group: [used.table_id, used.version] for used in groups}).decode()


def made_here() -> str:
    """The lock and the CPU family that predictions are made with here, as the JSON that they keep."""
    here = made_with()
    return canonical_json({name: here[name] for name in ("cpu", "lock")}).decode()
