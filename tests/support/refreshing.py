"""Runs of the refresh flow on a real server, and what the server knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import Artifact, TaskRun
from prefect.events.worker import EventsWorker

from feature_groups.store import connect
from feature_groups.store.discovery import discover
from feature_groups.store.errors import StepFailed
from flows.refresh import Refreshed, refresh
from local_server import eventually


@dataclass
class Run:
    """A run of the flow, and what the server knows of it."""

    flow_run: UUID
    done: dict[str, Refreshed]
    error: StepFailed | None
    client: SyncPrefectClient

    def tasks(self) -> dict[str, TaskRun]:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[self.flow_run]))
        EventsWorker.drain_all()
        known = partial(self.client.read_task_runs, flow_run_filter=wanted)
        eventually(lambda: all(task.state and task.state.is_final() for task in known()))
        return {task.name: task for task in known()}

    def artifacts(self) -> dict[str, Artifact]:
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[self.flow_run]))
        return {str(a.key): a for a in self.client.read_artifacts(artifact_filter=wanted)}

    def outcomes(self) -> dict[str, str]:
        return {group: done.outcome for group, done in self.done.items()}


@dataclass
class Place:
    """A folder of raw files and a lake."""

    folder: Path
    client: SyncPrefectClient

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def refresh(self, select: str = "", package: str = "feature_groups") -> Run:
        ids: list[UUID] = []

        watched = refresh.with_options(on_completion=[lambda flow, flow_run, state: ids.append(flow_run.id)])
        watched.on_failure_hooks.append(lambda flow, flow_run, state: ids.append(flow_run.id))
        state = watched(data=self.data, lake=self.lake, select=select, package=package, return_state=True)
        result = state.result(raise_on_failure=False)
        if isinstance(result, BaseException) and not isinstance(result, StepFailed):
            raise result
        failed = result if isinstance(result, StepFailed) else None
        done: Sequence[Refreshed] = failed.done if failed else result
        return Run(ids[0], {d.group: d for d in done}, failed, self.client)

    def versions(self) -> dict[str, int]:
        store = connect(self.lake)
        groups = (group for group in discover("feature_groups") if group.source or group.parents)
        stored = (store.get_or_create_feature_group(group) for group in groups)
        return {str(group.declaration.id): group.history()[0].version for group in stored}
