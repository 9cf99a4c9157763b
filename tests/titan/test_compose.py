"""docker-compose.yml and the Dockerfile, checked against the code that they run.

No container is started here: what is proved is that every name in them exists.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
import yaml
from starlette.requests import Request

from runtime import limits
from runtime import settings as settings_module
from runtime.http.authentication import container_demo_authenticator
from runtime.http.caller import DEMO
from runtime.http.problem import ProblemError
from runtime.http.scope import keep_headers
from runtime.settings import PREFIX, Settings
from runtime.topics import group_of, topic_map
from tests.support import containers
from titan.cli import app
from titan.edge import EDGES
from titan.packing import stages_of
from titan.pool import POOLS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
STAGES = {name: service for name, service in OURS.items() if name.startswith("stage-")}
ONE_SHOT = ("setup", "sample-data")
SEED_EDGES = {
    "handle-resolution": ("handles", 8001),
    "payment-router": ("payments", 8002),
    "auth": ("auth", 8003),
    "users": ("users", 8004),
    "webhooks": ("webhooks", 8007),
    "notifications": ("notifications", 8006),
    "feed": ("feed", 8010),
    "inbound": ("inbound", 8011),
}
STAGES_OF_DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").split("\nFROM ")


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration[:-1])


def settings_of(service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the service's process reads from its environment."""
    monkeypatch.setattr(settings_module, "CONTAINER_MARKS", (ROOT,))
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_every_service_of_ours_runs_the_one_image() -> None:
    assert {service["image"] for service in OURS.values()} == {"titan:local"}
    assert set(SERVICES) - set(OURS) == {"postgres", "redis", "kafka"}


def test_the_servers_are_pinned_to_the_images_that_tests_can_run_on() -> None:
    assert SERVICES["postgres"]["image"] == containers.POSTGRES_IMAGE
    assert SERVICES["redis"]["image"] == containers.REDIS_IMAGE
    assert SERVICES["kafka"]["image"] == containers.KAFKA_IMAGE


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_together_they_are_valid(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}

    assert set(OURS[name]["environment"]) <= fields
    settings = settings_of(OURS[name], monkeypatch)

    assert settings.kafka_bootstrap == "kafka:9092"
    assert settings.postgres_dsn is not None
    assert settings.redis_url is not None
    for address, server in [
        (settings.postgres_dsn.get_secret_value(), "postgres"),
        (settings.redis_url.get_secret_value(), "redis"),
    ]:
        assert urlsplit(address).hostname == server


def test_the_database_that_our_services_use_is_the_one_that_is_made() -> None:
    parts = urlsplit(OURS["setup"]["environment"]["TITAN_POSTGRES_DSN"])
    made = SERVICES["postgres"]["environment"]

    assert (parts.username, parts.password, parts.path) == (
        made["POSTGRES_USER"],
        made["POSTGRES_PASSWORD"],
        f"/{made['POSTGRES_DB']}",
    )


def test_every_stage_of_the_map_has_a_service_of_its_own() -> None:
    commands = {name: service["command"] for name, service in STAGES.items()}

    assert commands == {f"stage-{group_of(stage)}": [stage] for stage in stages_of(topic_map())}


@pytest.mark.parametrize("stage", stages_of(topic_map()))
def test_every_stage_has_an_application_to_run(stage: str) -> None:
    assert callable(import_module(f"consumers.{stage}.app").make_app)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_may_finish_its_batch_and_names_itself(name: str) -> None:
    service = STAGES[name]

    assert seconds(service["stop_grace_period"]) >= limits.GRACEFUL_STOP_S + 5
    words = " ".join(service["entrypoint"])
    assert "TITAN_INSTANCE_ID=$$HOSTNAME" in words
    assert "exec python -m titan.worker" in words


def test_every_pool_has_a_service_that_may_finish_what_it_sends() -> None:
    for pool in POOLS:
        service = OURS[pool.replace("_", "-")]
        assert [*service["entrypoint"], *service["command"]] == ["python", "-m", "titan.pool", pool]
        assert seconds(service["stop_grace_period"]) >= limits.GRACEFUL_STOP_S + 5


@pytest.mark.parametrize(("name", "room", "port"), [(n, *e) for n, e in SEED_EDGES.items()])
def test_an_edge_has_its_seed_name_and_port_and_only_loopback_is_published(
    name: str, room: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = OURS[name]

    assert service["command"] == ["python", "-m", "titan.edge", room]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert getattr(settings_of(service, monkeypatch), EDGES[room]) == port
    assert seconds(service["stop_grace_period"]) > limits.EDGE_STOP_S_MAX
    assert callable(import_module(f"producers.{room}.app").make_app)


def test_nothing_but_the_edges_is_published() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == set(SEED_EDGES)
    assert {room for room, _ in SEED_EDGES.values()} == set(EDGES)


@pytest.mark.parametrize("name", [*SEED_EDGES, *STAGES])
def test_a_service_is_asked_for_its_health_where_it_answers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = OURS[name]
    settings = settings_of(service, monkeypatch)
    port = getattr(settings, EDGES[SEED_EDGES[name][0]]) if name in SEED_EDGES else None

    *command, url = service["healthcheck"]["test"]

    assert command == ["CMD", "python", "-m", "titan.probe"]
    assert find_spec("titan.probe") is not None
    assert urlsplit(url).port == (port or settings.metrics_port)
    assert urlsplit(url).path == ("/ready" if name in SEED_EDGES else "/health")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_stays_has_a_health_check(name: str) -> None:
    assert "healthcheck" in SERVICES[name] or name in ONE_SHOT


@pytest.mark.parametrize("name", [*SEED_EDGES, *STAGES])
def test_nothing_starts_before_servers_tables_and_topics_are_there(name: str) -> None:
    waits = {other: wait["condition"] for other, wait in OURS[name]["depends_on"].items()}

    assert waits["setup"] == "service_completed_successfully"
    assert waits["kafka"] == waits["postgres"] == "service_healthy"


def test_what_runs_once_are_commands_that_exist() -> None:
    root: Any = typer.main.get_command(app)
    lines = [
        *OURS["setup"]["command"][-1].split(" && "),
        " ".join(OURS["sample-data"]["command"]),
    ]

    for line in lines:
        command = root
        for word in line.removeprefix("python -m titan ").split():
            command = command.commands[word]


def test_commands_in_a_container_find_the_edges() -> None:
    for service in OURS.values():
        handles = urlsplit(service["environment"]["TITAN_HANDLES_URL"])
        payments = urlsplit(service["environment"]["TITAN_PAYMENTS_URL"])
        assert (handles.hostname, handles.port) == ("handle-resolution", 8001)
        assert (payments.hostname, payments.port) == ("payment-router", 8002)


@pytest.mark.parametrize("name", SEED_EDGES)
async def test_the_demo_answers_to_the_names_by_which_the_edges_are_called_and_to_no_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(OURS[name], monkeypatch)
    authenticator = container_demo_authenticator(settings)
    called = [settings.handles_url, settings.payments_url, OURS[name]["healthcheck"]["test"][-1]]

    def request_to(host: str) -> Request:
        scope = {"type": "http", "headers": [(b"host", host.encode())]}
        keep_headers(scope)
        return Request(scope)

    for url in called:
        assert await authenticator(request_to(urlsplit(str(url)).netloc)) is DEMO
    with pytest.raises(ProblemError, match="demo_is_local"):
        await authenticator(request_to(f"evil.example:{SEED_EDGES[name][1]}"))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_volume_is_declared() -> None:
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }

    assert used == set(COMPOSE["volumes"])


def test_the_image_installs_by_hash_and_carries_no_build_tools() -> None:
    build, final = STAGES_OF_DOCKERFILE[1:]

    assert "--require-hashes --only-binary :all:" in build
    assert "requirements/runtime.txt" in build
    assert "pip" not in final
    assert "apt-get" not in final
    assert {stage.split()[0] for stage in (build, final)} == {"python:3.11-slim-bookworm"}


def test_the_image_does_not_run_as_root() -> None:
    final = STAGES_OF_DOCKERFILE[-1]
    users = re.findall(r"^USER (\w+)$", final, re.MULTILINE)

    assert users == ["titan"]
    assert final.index("\nUSER ") > final.index("\nRUN python -m compileall")


def test_the_image_has_every_package_and_file_that_the_code_reads() -> None:
    final = STAGES_OF_DOCKERFILE[-1]
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", final, re.MULTILINE)
        for source in line.split()[:-1]
    }
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }

    data = {path.name for path in ROOT.glob("*.yaml")} | {"migrations"}

    assert packages | data <= copied
    assert all((ROOT / source).exists() for source in copied)
    assert {source.split("/")[0] for source in copied} | {"requirements"} == allowed


def test_data_lies_where_the_volume_is_mounted_and_the_user_may_write() -> None:
    final = STAGES_OF_DOCKERFILE[-1]

    assert "TITAN_DATA_DIRECTORY=/var/lib/titan" in final
    assert "--owner titan --group titan --mode 0700 /var/lib/titan" in final
    assert all("titan-data:/var/lib/titan" in service["volumes"] for service in OURS.values())
