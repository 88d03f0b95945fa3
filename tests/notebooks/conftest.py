from __future__ import annotations

from local_server import user_home

__all__ = ["user_home"]
