"""The image and the compose file, as far as they can be checked where no container runs."""

from __future__ import annotations

import importlib
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import Settings as PrefectSettings

from deployments import declared
from feature_groups.store import Settings

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "deployments" / "container"
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def text() -> str:
    return (FOLDER / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    whole = re.sub(r"\\\n\s*", " ", (FOLDER / "Dockerfile").read_text())
    lines = [line for line in whole.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def settings_of_prefect(model: Any = PrefectSettings, path: str = "PREFECT") -> set[str]:
    """The environment variables that this Prefect reads."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        full = f"{path}_{name.upper()}"
        found |= settings_of_prefect(field.annotation, full) if inner else {full}
    return found


def test_every_service_that_stays_up_has_a_health_check_and_starts_again(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        if name == "deploy":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        check = service["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL"), name
        assert {"interval", "timeout", "retries", "start_period"} <= set(check), name


def test_what_a_service_waits_for_is_there_and_can_be_waited_for(compose: dict[str, Any]) -> None:
    for name, service in services(compose).items():
        for other, told in service.get("depends_on", {}).items():
            waited = services(compose)[other]
            assert told["condition"] == (
                "service_completed_successfully" if waited["restart"] == "no" else "service_healthy"
            ), name


def test_volumes_and_configurations_are_declared(compose: dict[str, Any]) -> None:
    for service in services(compose).values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("${DATA") or source in compose["volumes"]
        for used in service.get("configs", []):
            assert used["source"] in compose["configs"]


def test_only_the_dashboard_has_a_port_and_only_here(compose: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services(compose).items() if "ports" in service}

    assert ports == {"server": ["127.0.0.1:4200:4200"]}


def test_secrets_are_asked_for_and_none_has_a_default(text: str) -> None:
    asked = {name: how for name, how, _ in VARIABLE.findall(text) if how == ":?"}
    example = (FOLDER / "env.example").read_text()
    lines = [line.partition("=") for line in example.splitlines() if re.match(r"[A-Z]", line)]

    assert set(asked) == {"PREFECT_AUTH", "POSTGRES_PASSWORD", "PREFECT_ENCRYPTION_KEY", "SPARK_SECRET", "DATA"}
    assert {name for name, _, _ in lines} == set(asked)
    assert {value for _, _, value in lines} == {""}, "an example's password would be everybody's"
    optional = {name for name, how, _ in VARIABLE.findall(text) if how == ":-"}
    assert all(re.search(rf"^# {name}=", example, re.MULTILINE) for name in optional)
    assert "deployments/container/.env" in (PROJECT / ".gitignore").read_text().splitlines()


def test_the_server_is_closed_tells_nobody_and_forgets_in_time(compose: dict[str, Any]) -> None:
    given = services(compose)["server"]["environment"]
    plain = {name: VARIABLE.sub("x", value) for name, value in given.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            patch.delenv(name)
        for name, value in (plain | {"PREFECT_SERVER_UI_API_URL": "http://127.0.0.1:4200/api"}).items():
            patch.setenv(name, value)
        server = PrefectSettings().server

    assert server.api.auth_string is not None
    assert server.api.csrf_protection_enabled
    assert server.api.cors_allowed_origins == "x"
    assert not server.analytics_enabled
    assert server.events.retention_period.days == 14
    assert server.services.db_vacuum.retention_period.days == 90
    # As the settings are.
    assert {"events", "flow_runs"} <= set(server.services.db_vacuum.enabled)  # type: ignore[arg-type]
    # As the settings are.
    assert "postgresql+asyncpg" in str(server.database.connection_url.get_secret_value())  # type: ignore[union-attr]


def test_no_variable_is_misspelt(compose: dict[str, Any]) -> None:
    prefect = settings_of_prefect() | {"PREFECT_SERVER_ENCRYPTION_KEY"}
    ours = {f"ALLUVIA_{name.upper()}" for name in Settings.model_fields}
    others = {"SPARK_CONF_DIR", "SPARK_NO_DAEMONIZE", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
    used = {name for service in services(compose).values() for name in service.get("environment", {})}

    assert used - ours - others <= prefect
    assert used & prefect


def test_what_services_start_exists(compose: dict[str, Any]) -> None:
    commands = {name: service["command"] for name, service in services(compose).items() if "command" in service}

    assert commands["deploy"] == ["alluvia", "deploy"]
    assert commands["worker"][:5] == ["prefect", "worker", "start", "--pool", declared.pool()]
    spark = Path(importlib.import_module("pyspark").__path__[0])
    for name in ("spark-master", "spark-worker"):
        program, kind = commands[name][:2]
        assert (spark / "bin" / program).is_file()
        assert kind.startswith("org.apache.spark.deploy.")


def test_driver_and_executors_find_the_lake_at_one_path(compose: dict[str, Any]) -> None:
    found = {
        name: [v for v in s["volumes"] if v.startswith("lake:")]
        for name, s in services(compose).items()
        if "volumes" in s
    }

    assert found["worker"] == found["spark-worker"] == ["lake:/lake"]
    assert services(compose)["worker"]["environment"]["ALLUVIA_LAKE"] == "/lake"


def test_the_image_is_made_of_what_is_there(instructions: list[tuple[str, str]]) -> None:
    let_in = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {part for kind, rest in instructions if kind == "COPY" for part in rest.split()[:-1]}

    assert copied == let_in
    assert all((PROJECT / part).exists() for part in copied)
    packages = {path.parent.name for path in PROJECT.glob("*/__init__.py")} - {"benchmarks"}
    assert packages <= copied


def test_the_image_installs_only_what_the_lock_names_by_hash(instructions: list[tuple[str, str]]) -> None:
    runs = [rest for kind, rest in instructions if kind == "RUN"]
    installs = [part for rest in runs for part in rest.split("&&") if "pip install" in part]

    assert len(installs) == 3
    for install in installs:
        words = shlex.split(install)
        assert "--require-hashes" in words or {"--no-deps", "--no-build-isolation"} <= set(words)


def test_the_image_runs_as_nobody_special(instructions: list[tuple[str, str]]) -> None:
    users = [rest for kind, rest in instructions if kind == "USER"]
    (base,) = [rest for kind, rest in instructions if kind == "FROM"]

    assert users == ["alluvia"]
    assert re.fullmatch(r"python:3\.1[123]-slim-\w+", base)
