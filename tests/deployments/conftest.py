from __future__ import annotations

from local_server import client, user_home

__all__ = ["client", "user_home"]
