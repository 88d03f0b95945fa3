"""What a view gives, which a model that was trained on it relies on; and by which rules its groups were checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_groups.store.digest import digest
from feature_groups.store.feature_view import FeatureView

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

_NO_EFFECT = ("description", "owner", "tags")


def given(view: FeatureView) -> str:
    """sha256 of the declaration: columns, their types, and where they come from. No rule on rows is part of it."""
    return digest({k: v for k, v in view.to_json().items() if k not in _NO_EFFECT})


def view_contract(store: FeatureStore, view: FeatureView) -> dict[str, Any]:
    """The digest of the declaration, and that of every group's contract by its id, as plain JSON."""
    contracts = {g.id: store.get_or_create_feature_group(g).table.spec.source_hash for g in view.groups}
    return {"declaration": given(view), "contracts": contracts}
