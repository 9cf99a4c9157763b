"""Further stage processes beside those of the place: started, stopped, killed and metered."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from bench.meter import Meter
from bench.place import Place, Say
from runtime.clock import Clock
from runtime.settings import Settings
from titan.packing import Pack
from titan.programs import worker_program
from titan.readiness import until_ready
from titan.servers.ports import LOOPBACK, free_port
from titan.supervisor import Child, Supervisor

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Workers:
    """Processes of stages on the servers of a place. End with `stop`."""

    def __init__(self, place: Place, *, clock: Clock, say: Say) -> None:
        self._place = place
        self._clock = clock
        self._say = say
        self._children: dict[str, Child] = {}
        self.metrics_ports: dict[str, int] = {}
        """Where each of them answers /metrics and /health."""

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of those that run."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def meter(self) -> Meter:
        """Reads those that run now, the servers and this process."""
        return Meter({**self.pids, **self._place.beside})

    def start(
        self,
        pack: Pack,
        *,
        command: Sequence[str] = ("titan.worker",),
        environment: Mapping[str, str] = _NOTHING,
        settings: Settings | None = None,
    ) -> None:
        """Start a process of the pack's stages; `command` is the module to run, and its options.

        The pack's replica must not be that of another process which runs the same stage.
        """
        port = self.metrics_ports[pack.name] = free_port()
        program = worker_program(
            pack,
            metrics_port=port,
            settings=settings or self._place.settings,
            addresses=self._place.titan.addresses,
        )
        own = replace(
            program,
            arguments=[sys.executable, "-m", *command, *pack.stages],
            environment={**program.environment, **environment},
            mark=command[0],
        )
        child = Child(own, directory=self._place.titan.directory, clock=self._clock, say=self._say)
        self._children[pack.name] = child
        child.start()

    async def stop(self, *names: str) -> None:
        """Stop those, or all, as a supervisor would: SIGTERM first."""
        for name in names or list(self._children):
            await self._children.pop(name).stop()

    def kill(self, *names: str) -> None:
        """SIGKILL those."""
        for name in names:
            self._children.pop(name).kill()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stop all of them in their tracks, for less than a consumer's session time-out."""
        pids = list(self.pids.values())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    async def until_ready(self) -> None:
        """Wait until all of them say that they work; ServerStartError if one does not start."""
        urls = {
            name: f"http://{LOOPBACK}:{self.metrics_ports[name]}/health" for name in self._children
        }
        watched = Supervisor(
            edges=[], workers=list(self._children.values()), clock=self._clock, say=self._say
        )
        await until_ready(urls, watched, self._clock)
