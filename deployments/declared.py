"""The deployments that `prefect.yaml` declares, as Prefect's own objects: for a work pool, or to be served."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.types.entrypoint import EntrypointType

from deployments.revision import revision

FILE = Path(__file__).with_name("prefect.yaml")


def declared() -> list[RunnerDeployment]:
    """One per deployment of the file, at this revision of the code; nothing is sent anywhere."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    version = revision()
    return [_deployment(told, version) for told in content["deployments"]]


def pool() -> str:
    """The work pool that the file names."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return str(content["definitions"]["common"]["work_pool"]["name"])


def _deployment(told: Mapping[str, Any], version: str) -> RunnerDeployment:
    module, _, name = told["entrypoint"].rpartition(".")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), name)
    made: Any = flow.to_deployment(
        told["name"],
        schedules=[_schedule(one) for one in told.get("schedules", [])],
        concurrency_limit=ConcurrencyLimitConfig(**told["concurrency_limit"]),
        parameters=told.get("parameters"),
        triggers=[DeploymentEventTrigger.model_validate(one) for one in told.get("triggers", [])],
        tags=told["tags"],
        version=version,
        enforce_parameter_schema=told["enforce_parameter_schema"],
        job_variables=told["work_pool"]["job_variables"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment)  # a coroutine only where a loop runs
    return made


def _schedule(told: Mapping[str, Any]) -> DeploymentScheduleCreate:
    schedule = CronSchedule(cron=told["cron"], timezone=told["timezone"])
    return DeploymentScheduleCreate(schedule=schedule, slug=told["slug"])
