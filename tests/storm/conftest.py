"""One Titan for all storms, started by the first and stopped after the last."""

import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from runtime.clock import SystemClock
from runtime.settings import Settings
from titan.chaos.client import Client
from titan.chaos.history import History
from titan.chaos.people import bring_in
from titan.chaos.target import SESSION_MS, Target, running
from titan.local_titan import LocalTitan

PROCESSES = 2


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def storm(pytestconfig: pytest.Config) -> AsyncIterator[Target]:
    """A running Titan with people who have money."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    writer = pytestconfig.get_terminal_writer()

    def tell(line: str) -> None:
        with capture.global_and_fixture_disabled():
            writer.line(line)

    directory = Path(tempfile.mkdtemp(prefix="titan-storm-"))
    said: list[str] = []
    settings = Settings(
        data_directory=directory,
        handles_port=0,
        payments_port=0,
        auth_port=0,
        users_port=0,
        notifications_port=0,
        webhooks_port=0,
        feed_port=0,
        inbound_port=0,
        consumer_session_timeout_ms=SESSION_MS,
    )
    titan = LocalTitan(
        settings, processes=PROCESSES, clock=SystemClock(), say=said.append, progress=said.append
    )
    try:
        async with running(titan):
            client = Client(
                payments_url=titan.payments_url,
                handles_url=titan.handles_url,
                history=History(random.getrandbits(32)),
            )
            target = Target(titan, settings, client, tell, said=said)
            await bring_in(client, bootstrap=titan.addresses.kafka_bootstrap)
            yield target
            client.http.close()
    finally:
        shutil.rmtree(directory)
    assert left_of(directory) == []


def left_of(directory: Path) -> list[str]:
    """Processes that still have the directory in their command line or environment."""
    left = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
            if process.status() != psutil.STATUS_ZOMBIE and str(directory) in " ".join(words):
                left.append(f"{process.pid} {' '.join(process.cmdline())}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return left
