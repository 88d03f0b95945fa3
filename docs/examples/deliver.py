"""Say that data was delivered: one POST to Prefect's API, with what any Python has.

    PREFECT_API_URL=http://127.0.0.1:4200/api python docs/examples/deliver.py ratings

``PREFECT_API_AUTH_STRING=user:password`` for a server with a password, ``PREFECT_API_KEY`` for Prefect Cloud.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def deliver(source: str) -> int:
    """Send the event; returns the status, 204."""
    api = os.environ.get("PREFECT_API_URL", "http://127.0.0.1:4200/api").rstrip("/")
    headers = {"Content-Type": "application/json", **_who()}
    client = str(uuid.uuid4())
    try:
        with urlopen(Request(f"{api}/csrf-token?client={client}", headers=headers)) as answer:
            headers |= {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": json.load(answer)["token"]}
    except HTTPError as error:
        if error.code not in (404, 422):  # a server without CSRF protection, as Cloud's
            raise
    event = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "data.delivered",
        "resource": {"prefect.resource.id": f"alluvia.source.{source}", "prefect.resource.name": source},
        "payload": {},
    }
    with urlopen(Request(f"{api}/events", json.dumps([event]).encode(), headers, method="POST")) as answer:
        return int(answer.status)


def _who() -> dict[str, str]:
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if password := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}
    return {}


if __name__ == "__main__":
    print(deliver(sys.argv[1] if len(sys.argv) > 1 else "files"))
