"""Where a running Titan answers: `titan up` writes it down, the other commands read it.

The environment (TITAN_*) comes first; what it leaves open comes from endpoints.json in the data
directory. So `titan watch` needs no settings beside a running demo, and none of its files in
production.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import psutil
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from domain.errors import Unavailable
from runtime.settings import Settings

FILE_NAME: Final = "endpoints.json"
SERVERS: Final = ("kafka_bootstrap", "postgres_dsn", "redis_url")
_CREATED_TOLERANCE_S: Final = 1.0


class Worker(BaseModel):
    """A stage process of a running Titan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    stages: list[str]
    metrics_port: int


class Endpoints(BaseModel):
    """The addresses of a running `titan up`, and which process that is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: int
    created_s: float
    kafka_bootstrap: str
    postgres_dsn: str
    redis_url: str
    handles_port: int
    payments_port: int
    auth_port: int
    notifications_port: int
    webhooks_port: int
    workers: list[Worker]


def write_endpoints(directory: Path, endpoints: Endpoints) -> None:
    """Write the file at once and for its owner only: a DSN may hold a password."""
    path = directory / FILE_NAME
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(endpoints.model_dump_json(indent=2))
    fresh.replace(path)


def remove_endpoints(directory: Path) -> None:
    """Say that nothing runs here any more."""
    (directory / FILE_NAME).unlink(missing_ok=True)


def read_endpoints(directory: Path) -> Endpoints | None:
    """The endpoints of the Titan that runs on this directory; None if none does."""
    try:
        raw: Any = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        endpoints = Endpoints.model_validate(raw)
        # A killed run leaves its file behind, and its process id may be another's by now.
        created_s = psutil.Process(endpoints.pid).create_time()
    except (OSError, ValueError, ValidationError, psutil.Error):
        return None
    return endpoints if abs(created_s - endpoints.created_s) < _CREATED_TOLERANCE_S else None


def connected_settings(*, needed: Collection[str] = SERVERS) -> Settings:
    """The environment's settings, and for what they leave open those of a running Titan.

    Unavailable, with the remedy, if neither names a server of `needed`.
    """
    settings = Settings()
    endpoints = read_endpoints(settings.data_directory)
    found: dict[str, object] = {}
    if endpoints is not None:
        found = {
            "kafka_bootstrap": endpoints.kafka_bootstrap,
            "postgres_dsn": SecretStr(endpoints.postgres_dsn),
            "redis_url": SecretStr(endpoints.redis_url),
            "handles_port": endpoints.handles_port,
            "payments_port": endpoints.payments_port,
            "auth_port": endpoints.auth_port,
            "notifications_port": endpoints.notifications_port,
            "webhooks_port": endpoints.webhooks_port,
        }
    # Port 0 is "any": the running Titan knows which it became.
    left_open = {name: value for name, value in found.items() if not _given(settings, name)}
    settings = settings.model_copy(update=left_open)
    for name in needed:
        if getattr(settings, name) is None:
            raise Unavailable(
                f"no Titan runs on {settings.data_directory}: start one with `make run`, "
                f"or set TITAN_{name.upper()}"
            )
    return settings


def _given(settings: Settings, name: str) -> bool:
    """Whether the environment says where that is."""
    return name in settings.model_fields_set and bool(getattr(settings, name))
