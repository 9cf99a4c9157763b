"""A whole Titan as somebody else runs it: `titan up` as a process of its own, on a new directory.

What a stranger may do to it is done through its doors; what it keeps is read from its directory.
"""

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from titan.edge import EDGES
from titan.servers.ports import free_port

ROOT: Final = Path(__file__).parents[2]
READY: Final = "Ctrl-C stops everything"
STOP_S_MAX: Final = 60.0
COMMAND_S_MAX: Final = 60.0
_SECRETS: Final = "inbound-secrets"


class WholeTitan:
    """A running `titan up --demo`: sample people with money, two processes of stages."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.output_path = directory / "up.out"
        """What the command printed."""
        self.inbound_secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        """What the provider `standard` signs its webhooks with."""
        self._ports = {room: free_port() for room in EDGES}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def rooms(self) -> list[str]:
        """The edges, by the name of their room."""
        return list(self._ports)

    def address(self, room: str) -> tuple[str, int]:
        """Where an edge listens."""
        return "127.0.0.1", self._ports[room]

    def url(self, room: str) -> str:
        """Where an edge answers."""
        host, port = self.address(room)
        return f"http://{host}:{port}"

    @property
    def endpoints(self) -> dict[str, Any]:
        """The addresses of its servers, as it wrote them down."""
        document: dict[str, Any] = json.loads((self.directory / "endpoints.json").read_text())
        return document

    @property
    def environment(self) -> dict[str, str]:
        """With it any of Titan's commands works on this one."""
        ports = {f"TITAN_{EDGES[room].upper()}": str(port) for room, port in self._ports.items()}
        return {
            **os.environ,
            **ports,
            "TITAN_DATA_DIRECTORY": str(self.directory),
            "TITAN_INBOUND_SECRETS": str(self.directory / _SECRETS),
            # What is never told in clear is not told by the most talkative log either.
            "TITAN_LOG_LEVEL": "DEBUG",
            # It is not the cost of bcrypt that is tested here.
            "TITAN_PASSWORD_COST": "4",
        }

    def command(self, *arguments: str) -> list[str]:
        """What a command of Titan's prints about it, and complains of."""
        done = subprocess.run(
            [sys.executable, "-m", "titan", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]

    def start(self) -> None:
        """Start it; returns once the sample people have their money."""
        folder = self.directory / _SECRETS
        folder.mkdir()
        (folder / "standard").write_text(self.inbound_secret)
        with self.output_path.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "titan", "up", "--demo", "--processes", "2", "--json"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while READY not in self.output_path.read_text():
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"it did not start: {self.output_path.read_text()}")

    def stop(self) -> None:
        """Stop it as Ctrl-C does; whatever is left of it is killed."""
        assert self._process is not None
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S_MAX)
        finally:
            self._process.kill()
            for process in family:
                # psutil compares the time of birth too: a number given anew is not killed.
                if process.is_running():
                    process.kill()


@contextmanager
def whole_titan() -> Iterator[WholeTitan]:
    """One that is running; its directory is gone after the block."""
    directory = Path(tempfile.mkdtemp(prefix="titan-whole-"))
    titan = WholeTitan(directory)
    try:
        titan.start()
        try:
            yield titan
        finally:
            titan.stop()
    finally:
        shutil.rmtree(directory)
