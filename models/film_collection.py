"""What the registry of the example's releases lets go: the bytes that nothing in the lake needs any more."""

from __future__ import annotations

from datetime import timedelta

from feature_groups.store import FeatureStore
from models.cold_films import encoders_used
from models.film_names import NAME
from models.film_predictions import releases_used
from models.registry import Registry
from models.registry_collection import Collected


def collect_unused(
    store: FeatureStore, *, parents: int = 3, younger: timedelta = timedelta(days=7), dry_run: bool = False
) -> Collected:
    """Remove the bytes of members that no release in use, no logged prediction and no vector of a film needs.

    Manifests and reports stay. A step of the training of which a member went makes it again when it is next needed.

    Args:
        store: The lake.
        parents: How many generations of parents of champion and challenger, and of earlier champions, stay.
        younger: Releases and members made in this last span stay.
        dry_run: Remove nothing, only report what would go.
    """
    registry = Registry(store, NAME)
    pinned, members = releases_used(store), encoders_used(store)
    return registry.collect(pinned=pinned, members=members, parents=parents, younger=younger, dry_run=dry_run)
