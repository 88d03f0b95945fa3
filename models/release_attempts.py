"""Releases that are tried again: a flow run after a crash makes the release that the crashed one was making."""

from __future__ import annotations

from dataclasses import replace

from feature_groups.store.metadata import Metadata
from models.release import Release


def as_first_tried(metadata: Metadata, folder: str, release: Release) -> Release:
    """The release with the flow run that tried to make it first; all else of it is the same.

    Args:
        metadata: Of the lake.
        folder: Where the first attempts of a registry are written down.
        release: As it is to be made now.
    """
    known = f"{folder}/{replace(release, flow_run='').id}.json"
    metadata.put_if_absent(known, {"flow_run": release.flow_run})
    first = metadata.get(known) or {}
    return replace(release, flow_run=first["flow_run"])
