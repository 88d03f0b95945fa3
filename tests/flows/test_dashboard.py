from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

from browser import needs_chromium, page
from deployments.server import server_status
from feature_groups.sources.generator import generate
from flows import refresh as module
from refreshing import Place


@needs_chromium
def test_a_person_finds_a_run_its_steps_and_its_commits(
    client: SyncPrefectClient, user_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "stop_session", lambda: None)
    place = Place(tmp_path, client)
    generate(place.data, events=2_000)
    run = place.refresh("movies")
    server = server_status(user_home)
    assert server is not None
    commits = run.artifacts()["commits-movies-v1"].id
    with page() as browser:
        browser.goto(f"{server.ui_url}/runs")
        browser.get_by_text("refresh movies").first.wait_for()
        browser.goto(f"{server.ui_url}/runs/flow-run/{run.flow_run}")
        browser.get_by_text("refresh movies").first.wait_for()
        browser.goto(f"{server.ui_url}/artifacts")
        for key in ("commits-movies-v1", "contract-movies-v1", "refresh-progress"):
            browser.get_by_text(key).first.wait_for()

        browser.goto(f"{server.ui_url}/artifacts/artifact/{commits}")
        for text in ("200 rows received: 200 inserted", "committed (UTC)", "first run"):
            browser.get_by_text(text).first.wait_for()
