"""The human gate: a run waits with a form that shows the comparison, and does what the person says."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.flow_runs import resume_flow_run

from answering import answered, form, paused
from local_server import beside
from models.errors import NotApproved
from models.registry import Registry
from released import registry, release
from tasks.approval import Answer, ask_approval, comparison

pytestmark = pytest.mark.usefixtures("client")
METRICS = {"ndcg@10": 0.31, "exposure": 0.04}


@pytest.fixture
def made(lake: Path) -> Registry:
    """A registry with a champion."""
    found = registry(lake)
    found.promote(found.release(release(found, 1)))
    return found


def candidate(made: Registry, number: int) -> dict[str, Any]:
    return {"release": made.release(release(made, number)), "blessed": True}


def asking(made: Registry, asked: dict[str, Any], name: str, hours: float = 0.01) -> Answer:
    """What comes of a run of that name that asks."""

    @flow(flow_run_name=name)
    def gate() -> Answer:
        return ask_approval(made, asked, METRICS, hours=hours, poll=1)

    return gate()


def unique() -> str:
    return f"gate {uuid.uuid4()}"


@pytest.mark.parametrize(("decision", "word"), [("promote", "approved"), ("reject", "rejected")])
def test_a_run_waits_with_a_form_and_does_what_is_decided(
    decision: str, word: str, made: Registry, client: SyncPrefectClient
) -> None:
    asked, forms = candidate(made, 2), []
    name = unique()
    person = beside(lambda: forms.append(answered(client, name, decision=decision, by="ada", reason="looked at it")))
    answer = asking(made, asked, name)
    person.join()

    assert answer.promote is (decision == "promote")
    assert answer.why.startswith(f"{word} by ada at ")
    assert answer.why.endswith(": looked at it")
    (form,) = forms
    assert form["schema"]["properties"]["decision"]["enum"] == ["promote", "reject"]
    assert set(form["schema"]["required"]) == {"decision", "by"}
    assert "| ndcg@10 | " in form["description"]
    assert asking(made, asked, unique()) == answer, "a release is asked about once"


def test_an_answer_that_does_not_fit_the_form_is_refused_and_the_run_goes_on_waiting(
    made: Registry, client: SyncPrefectClient
) -> None:
    asked = candidate(made, 2)
    said: list[Answer] = []
    name = unique()
    run_of = beside(lambda: said.append(asking(made, asked, name)))
    run = paused(client, name)
    form(client, run)
    body = {"run_input": {"decision": "perhaps", "by": "ada"}}
    refused = client.request("POST", f"/flow_runs/{run.id}/resume", json=body).json()
    assert (refused["status"], "perhaps" in refused["details"]["reason"]) == ("REJECT", True)
    resume_flow_run(run.id, run_input={"decision": "promote", "by": "ada"})
    run_of.join()

    assert said[0].promote
    assert said[0].why.endswith("no reason")


def test_nobody_answers_and_the_next_run_asks_again(made: Registry, client: SyncPrefectClient) -> None:
    asked = candidate(made, 2)
    with pytest.raises(NotApproved, match="Nobody approved or rejected it within"):
        asking(made, asked, unique(), hours=1 / 3600)
    name = unique()
    person = beside(lambda: answered(client, name, decision="promote", by="ada"))
    assert asking(made, asked, name).promote
    person.join()


def test_the_comparison_shows_what_changes(made: Registry) -> None:
    asked = candidate(made, 2)["release"]
    champion = made.champion()
    assert champion is not None
    page = comparison(made, asked, METRICS | dict.fromkeys(champion.metrics, 1.0))

    assert f"`{asked[:12]}` passed every gate" in page
    assert f"in place of `{champion.id[:12]}`" in page
    assert "| exposure |  | 0.0400 |  |" in page
