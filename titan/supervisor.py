"""Keeps the processes of one machine running: starts them, starts the dead anew, stops all.

Every child has a session of its own (Ctrl-C in the terminal reaches only the supervisor), a log
file, a pid file by which the next run knows a leftover, and dies with the supervisor.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import Defect
from runtime.clock import Clock
from titan.log_tail import LogTail
from titan.servers import EmbeddedServer, ServerStartError
from titan.servers import launcher as launcher_script
from titan.servers.process import end_gracefully, find_leftover, write_pid_file

TEND_INTERVAL_S: Final = 0.1
"""How often the supervisor looks after its processes."""

RESTART_PAUSE_S: Final = 0.2
"""Pause before a dead process is started again; doubles each time."""

RESTART_PAUSE_S_MAX: Final = 10.0

RESTART_FORGIVEN_S: Final = 30.0
"""After so long alive, a process's earlier deaths no longer count."""

KILL_WAIT_S: Final = 5.0
"""A killed process is gone by then."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a child runs. `mark` stands in its command line, so that a leftover is recognised."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    mark: str
    stop_s_max: float


def pause_before_restart_s(
    previous_pause_s: float, alive_s: float, pause_s_max: float = RESTART_PAUSE_S_MAX
) -> float:
    """How long to wait before the next start, given the last pause (0: none) and life."""
    if previous_pause_s == 0 or alive_s >= RESTART_FORGIVEN_S:
        return RESTART_PAUSE_S
    return min(previous_pause_s * 2, pause_s_max)


class Child:
    """One program, kept running until it is stopped.

    `pause_s_max` bounds the pause before it is started again: who kills it on purpose wants it
    back soon.
    """

    def __init__(
        self,
        program: Program,
        *,
        directory: Path,
        clock: Clock,
        say: Say,
        pause_s_max: float = RESTART_PAUSE_S_MAX,
    ) -> None:
        self.program = program
        self.deaths = 0
        self.log_path = directory / "logs" / f"{program.name}.log"
        self._pid_path = directory / "run" / f"{program.name}.pid"
        self._clock = clock
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._tail = LogTail(self.log_path)
        self._started_s = 0.0
        self._pause_s = 0.0
        self._pause_s_max = pause_s_max
        self._due_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    async def end_leftover(self) -> bool:
        """End what an earlier, killed run left of this program; whether there was something."""
        leftover = find_leftover(self._pid_path, self.program.mark)
        if leftover is not None:
            await end_gracefully(leftover, signal.SIGTERM, timeout_s=KILL_WAIT_S)
        self._pid_path.unlink(missing_ok=True)
        return leftover is not None

    def start(self) -> None:
        """Start the process. Call from a thread that lives as long: it dies with that thread.

        Defect if it runs: two of one name would do everything twice, and one be nobody's child.
        """
        if self._process is not None:
            raise Defect(f"{self.program.name} has been started already")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._pid_path.parent.mkdir(parents=True, exist_ok=True)
        # A signal nobody can hold up: when the supervisor is gone, so are the servers, and a
        # child that waited for them would only keep its port from the next run.
        launcher = [sys.executable, "-I", "-S", launcher_script.__file__]
        death = [str(os.getpid()), str(int(signal.SIGKILL)), "-1", "-1"]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own, no shell
                [*launcher, *death, *self.program.arguments],
                cwd=Path(__file__).parents[1],
                env=dict(self.program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_s = self._clock.monotonic_s()
        write_pid_file(self._pid_path, self._process.pid)

    def tend(self) -> None:
        """Say what went wrong since the last look, and start again what died, once it is due."""
        for line in self._tail.errors():
            self._say(f"{self.program.name}: {line}")
        now_s = self._clock.monotonic_s()
        if self._process is not None and self._process.poll() is not None:
            self._note_death(self._process.returncode, now_s)
        if self._process is None and now_s >= self._due_s:
            self.start()

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL to its whole group after the program's bound."""
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGTERM)
        deadline_s = self._clock.monotonic_s() + self.program.stop_s_max
        while process.poll() is None and self._clock.monotonic_s() < deadline_s:
            await self._clock.sleep(TEND_INTERVAL_S / 2)
        if process.poll() is None:
            self._say(
                f"{self.program.name} did not stop in {self.program.stop_s_max:.0f} s: killed"
            )
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and its group; gone on return."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait(KILL_WAIT_S)
            self._process = None
        self._pid_path.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The last line of its log, for a message."""
        return self._tail.last_words()

    def _note_death(self, status: int, now_s: float) -> None:
        self.kill()
        self.deaths += 1
        alive_s = now_s - self._started_s
        self._pause_s = pause_before_restart_s(self._pause_s, alive_s, self._pause_s_max)
        self._due_s = now_s + self._pause_s
        self._say(
            f"{self.program.name} {how_it_ended(status)}; starting it again in "
            f"{self._pause_s:.1f} s (its log: {self.log_path})"
        )

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            # Its session is its own, so the group is the process and its children.
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


def how_it_ended(status: int) -> str:
    """A process's exit status in words."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended by itself with status {status}"


class Supervisor:
    """All of one Titan: embedded servers, stage workers and edges."""

    def __init__(
        self,
        *,
        edges: Sequence[Child],
        workers: Sequence[Child],
        clock: Clock,
        say: Say,
    ) -> None:
        self.children = [*workers, *edges]
        self._stop_order = (edges, workers)
        self.servers: Sequence[EmbeddedServer] = ()
        """The embedded servers to look after, once they have started."""
        self._clock = clock
        self._say = say
        self._restarts: dict[str, asyncio.Task[None]] = {}
        self._troubles: dict[str, str] = {}

    async def serve(self) -> None:
        """Look after everything until cancelled."""
        while True:
            self.tend()
            await self._clock.sleep(TEND_INTERVAL_S)

    def tend(self) -> None:
        """One look at everything."""
        for child in self.children:
            self._tend_one(child)
        for server in self.servers:
            restart = self._restarts.get(server.name)
            if not server.is_running and (restart is None or restart.done()):
                self._restarts[server.name] = asyncio.create_task(self._restart(server))

    def _tend_one(self, child: Child) -> None:
        """A full disk must not end the one who keeps everything else running."""
        try:
            child.tend()
        except OSError as error:
            trouble = f"{child.program.name}: {error}"
            if self._troubles.get(child.program.name) != trouble:
                self._say(trouble)
            self._troubles[child.program.name] = trouble
        else:
            self._troubles.pop(child.program.name, None)

    async def stop(self) -> None:
        """Stop in the order of the flow: no new payments, then the stages, then the servers."""
        for restart in self._restarts.values():
            restart.cancel()
        await asyncio.gather(*self._restarts.values(), return_exceptions=True)
        for children in self._stop_order:
            await asyncio.gather(*(child.stop() for child in children))
        await asyncio.gather(*(server.stop() for server in self.servers))

    def kill(self) -> None:
        """Stop everything at once, by force."""
        for child in self.children:
            child.kill()
        for server in self.servers:
            server.kill()

    async def _restart(self, server: EmbeddedServer) -> None:
        died_s = self._clock.monotonic_s()
        pause_s = pause_before_restart_s(0.0, 0.0)
        self._say(f"{server.name} died; starting it again in {pause_s:.1f} s")
        while True:
            await self._clock.sleep(pause_s)
            try:
                await server.start()
            except ServerStartError as error:
                pause_s = pause_before_restart_s(pause_s, 0.0)
                self._say(f"{error} Trying again in {pause_s:.1f} s")
            else:
                away_s = self._clock.monotonic_s() - died_s
                self._say(f"{server.name} is back on port {server.port} after {away_s:.1f} s")
                return
