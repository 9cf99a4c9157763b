"""uvicorn beside other work of a process: whose signals are not its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own. Set `should_exit` to end it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def quiet_server(application: Starlette, *, host: str, port: int) -> QuietServer:
    """A server of an application that opens nothing of its own."""
    return QuietServer(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
