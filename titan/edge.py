"""Run an edge: `python -m titan.edge NAME`, one of EDGES.

The application is what `producers.X.app:make_app` builds, as `uvicorn --factory` would run it;
here host and port come from the settings, so that the demo's promise to stay on loopback holds.
"""

import sys
from collections.abc import Mapping, Sequence
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

EXIT_USAGE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Serve the named edge until SIGTERM or SIGINT; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in EDGES:
        sys.stderr.write(f"name one edge, of: {', '.join(EDGES)}\n")
        return EXIT_USAGE
    [room] = arguments
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"titan: {'; '.join(setting_faults(error))}\n")
        return EXIT_USAGE
    configure_logging(settings)
    factory = f"producers.{room}.app"
    import_module(factory)
    spare_collector()
    uvicorn.run(
        f"{factory}:make_app",
        factory=True,
        host=settings.bind_host,
        port=getattr(settings, EDGES[room]),
        loop="uvloop",
        http=BoundedProtocol,
        # Its loggers then speak through ours, in JSON.
        log_config=None,
        access_log=False,
        server_header=False,
        # Nobody stands before the edges yet whose word on a client's address could be taken.
        proxy_headers=False,
        limit_concurrency=limits.EDGE_CONNECTIONS_MAX,
        timeout_keep_alive=int(limits.EDGE_KEEP_ALIVE_S),
        timeout_graceful_shutdown=int(limits.EDGE_STOP_S_MAX),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
