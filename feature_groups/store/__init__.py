"""The machinery of the feature store; it knows no declaration and no Prefect."""

from __future__ import annotations

from feature_groups.store.aggregations import Aggregation
from feature_groups.store.column_types import UtcDatetime
from feature_groups.store.conditions import Condition
from feature_groups.store.connect import connect, stop_session
from feature_groups.store.engine import Frame
from feature_groups.store.errors import AlluviaError
from feature_groups.store.feature_group import FeatureGroup
from feature_groups.store.feature_store import FeatureStore
from feature_groups.store.feature_view import FeatureView, History, OnDemand
from feature_groups.store.folds import KFold
from feature_groups.store.query import Join, Query
from feature_groups.store.receipts import Receipt
from feature_groups.store.rules import invariant
from feature_groups.store.settings import Settings
from feature_groups.store.source import Source
from feature_groups.store.splits import EntityTimeSplit, HashSplit, TimeSplit
from feature_groups.store.stored_group import StoredFeatureGroup
from feature_groups.store.stored_view import StoredFeatureView
from feature_groups.store.training_dataset import TrainingDataset

__all__ = [
    "Aggregation",
    "AlluviaError",
    "Condition",
    "EntityTimeSplit",
    "FeatureGroup",
    "FeatureStore",
    "FeatureView",
    "Frame",
    "HashSplit",
    "History",
    "Join",
    "KFold",
    "OnDemand",
    "Query",
    "Receipt",
    "Settings",
    "Source",
    "StoredFeatureGroup",
    "StoredFeatureView",
    "TimeSplit",
    "TrainingDataset",
    "UtcDatetime",
    "connect",
    "invariant",
    "stop_session",
]
