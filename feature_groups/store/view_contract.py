"""What a model that was trained on a view relies on: what it gives, and the contracts of its groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_groups.store.digest import digest
from feature_groups.store.feature_view import FeatureView

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

_NO_EFFECT = ("description", "owner", "tags")


def view_contract(store: FeatureStore, view: FeatureView) -> dict[str, Any]:
    """The digest of the declaration, and that of every group's contract by its id, as plain JSON."""
    declared = {k: v for k, v in view.to_json().items() if k not in _NO_EFFECT}
    contracts = {g.id: store.get_or_create_feature_group(g).table.spec.source_hash for g in view.groups}
    return {"declaration": digest(declared), "contracts": contracts}
