"""The feature store: every module at this root is one feature group, the team's own content."""

from __future__ import annotations
