"""Run edges: `python -m titan.edge NAME ...`, of EDGES; those that are named share a process.

The application is what `producers.X.app:make_app` builds, as `uvicorn --factory` would run it;
here host and port come from the settings, so that the demo's promise to stay on loopback holds.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Final

import uvicorn
from pydantic import ValidationError

from runtime import limits
from runtime.collector import spare_collector
from runtime.settings import Settings, setting_faults
from runtime.telemetry import configure_logging
from titan.edge_protocol import BoundedProtocol

EDGES: Final[Mapping[str, str]] = {
    "handles": "handles_port",
    "payments": "payments_port",
    "auth": "auth_port",
    "users": "users_port",
    "webhooks": "webhooks_port",
    "notifications": "notifications_port",
    "feed": "feed_port",
    "inbound": "inbound_port",
}
"""Every edge (a room of producers/) and the setting of its port."""

_ALONE: Final = ("handles", "payments")
EDGE_PROCESSES: Final[Mapping[str, Sequence[str]]] = {
    **{room: (room,) for room in _ALONE},
    "edges": tuple(room for room in EDGES if room not in _ALONE),
}
"""The processes of one machine, and the edges of each: what every payment passes has its own, what
is asked now and then shares one, for each costs 100 MB and a second of starting."""

EXIT_USAGE: Final = 2
_EXIT_NOT_STARTED: Final = 3


class _Server(uvicorn.Server):
    """One of several in a process: signals are for all of them, and so for `_serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def main(arguments: Sequence[str]) -> int:
    """Serve the named edges until SIGTERM or SIGINT; returns the exit status."""
    if not arguments or len(set(arguments)) < len(arguments) or not set(arguments) <= set(EDGES):
        sys.stderr.write(f"name edges, each once, of: {', '.join(EDGES)}\n")
        return EXIT_USAGE
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"titan: {'; '.join(setting_faults(error))}\n")
        return EXIT_USAGE
    configure_logging(settings)
    for room in arguments:
        import_module(_module(room))
    spare_collector()
    servers = [_Server(config_of(room, settings)) for room in arguments]
    with asyncio.Runner(loop_factory=servers[0].config.get_loop_factory()) as runner:
        runner.run(_serve(servers))
    return 0 if all(server.started for server in servers) else _EXIT_NOT_STARTED


async def _serve(servers: Sequence[uvicorn.Server]) -> None:
    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server.serve())


def _module(room: str) -> str:
    return f"producers.{room}.app"


def config_of(room: str, settings: Settings) -> uvicorn.Config:
    """How an edge is served."""
    return uvicorn.Config(
        f"{_module(room)}:make_app",
        factory=True,
        host=settings.bind_host,
        port=getattr(settings, EDGES[room]),
        loop="uvloop",
        http=BoundedProtocol,
        # Its loggers then speak through ours, in JSON.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        limit_concurrency=limits.EDGE_CONNECTIONS_MAX,
        timeout_keep_alive=int(limits.EDGE_KEEP_ALIVE_S),
        timeout_graceful_shutdown=int(limits.EDGE_STOP_S_MAX),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
