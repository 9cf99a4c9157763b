"""The command line and environment of every process that Titan starts. Pure but for paths."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from runtime import limits
from runtime.settings import PREFIX, Settings
from titan.edge import EDGE_PROCESSES, EDGES
from titan.packing import Pack
from titan.servers import Endpoints as ServerAddresses
from titan.supervisor import Program

_DELIVERY: Final = "webhook_delivery"
_MARGIN_S: Final = 2.0
"""Beyond a process's own bound for stopping, before it is killed."""


def programs_of(
    settings: Settings,
    packs: Sequence[Pack],
    *,
    ports: Mapping[str, int],
    metrics_ports: Mapping[str, int],
    addresses: Callable[[str], ServerAddresses],
) -> tuple[list[Program], list[Program]]:
    """All that one machine runs beside the servers: what has edges, and what works behind them.

    `ports` are the edges', `metrics_ports` those of the processes behind; `addresses` tells where
    a process finds the servers.
    """
    edges = [
        edge_program(name, ports=ports, settings=settings, addresses=addresses(name))
        for name in EDGE_PROCESSES
    ]
    workers = [
        worker_program(
            each,
            metrics_port=metrics_ports[each.name],
            settings=settings,
            addresses=addresses(each.name),
        )
        for each in packs
    ]
    pools = [
        pool_program(
            name, metrics_port=metrics_ports[name], settings=settings, addresses=addresses(name)
        )
        for name in pool_names(settings)
    ]
    return edges, [*workers, *pools]


def edge_program(
    name: str, *, ports: Mapping[str, int], settings: Settings, addresses: ServerAddresses
) -> Program:
    """A process of EDGE_PROCESSES; it is told the ports of all edges, its own among them."""
    own = {EDGES[room]: str(port) for room, port in ports.items()}
    return Program(
        name=name,
        arguments=[sys.executable, "-m", "titan.edge", *EDGE_PROCESSES[name]],
        environment=_environment(settings, addresses, own),
        mark="titan.edge",
        stop_s_max=limits.EDGE_STOP_S_MAX + _MARGIN_S,
    )


def worker_program(
    pack: Pack, *, metrics_port: int, settings: Settings, addresses: ServerAddresses
) -> Program:
    """A process with the stages of a pack."""
    own = {"instance_id": f"replica-{pack.replica}", "metrics_port": str(metrics_port)}
    return Program(
        name=pack.name,
        arguments=[sys.executable, "-m", "titan.worker", *pack.stages],
        environment=_environment(settings, addresses, own),
        mark="titan.worker",
        stop_s_max=limits.GRACEFUL_STOP_S + _MARGIN_S,
    )


def pool_names(settings: Settings) -> list[str]:
    """The processes that deliver webhooks, by name."""
    return [f"{_DELIVERY}-{each}" for each in range(1, settings.webhook_delivery_processes + 1)]


def pool_program(
    name: str, *, metrics_port: int, settings: Settings, addresses: ServerAddresses
) -> Program:
    """One of the processes that deliver webhooks."""
    return Program(
        name=name,
        arguments=[sys.executable, "-m", "titan.pool", _DELIVERY],
        environment=_environment(settings, addresses, {"metrics_port": str(metrics_port)}),
        mark="titan.pool",
        stop_s_max=limits.GRACEFUL_STOP_S + _MARGIN_S,
    )


def _environment(
    settings: Settings, addresses: ServerAddresses, own: Mapping[str, str]
) -> dict[str, str]:
    """Ours, with the settings that this process was given."""
    given = {
        **{
            name: _text(value)
            for name in settings.model_fields_set
            if (value := getattr(settings, name)) is not None
        },
        "profile": str(settings.profile),
        "data_directory": str(Path(settings.data_directory).resolve()),
        "kafka_bootstrap": addresses.kafka_bootstrap,
        "postgres_dsn": addresses.postgres_dsn,
        "redis_url": addresses.redis_url,
        **own,
    }
    titan = {f"{PREFIX}{name.upper()}": value for name, value in given.items()}
    return {**os.environ, **titan, "PYTHONUNBUFFERED": "1"}


def _text(value: object) -> str:
    """A setting as the environment has it."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
