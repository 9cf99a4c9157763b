"""The entry points of Titan's processes: what they refuse, they refuse in one line."""

import asyncio
import os
import subprocess
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.support.waiting import eventually
from titan import edge, probe, worker
from titan.edge import EDGES
from titan.servers.ports import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "stages", [[], ["nothing"], ["ledger_posting", "ledger_posting"], ["ledger_posting", ""]]
)
def test_a_worker_wants_known_stages_once(
    stages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert worker.main(stages) == worker.EXIT_USAGE

    assert "risk_screening" in capsys.readouterr().err


@pytest.mark.parametrize("rooms", [[], ["nothing"], ["handles", "nothing"], ["feed", "feed"]])
def test_edges_are_ones_that_exist_each_once(
    rooms: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge.main(rooms) == edge.EXIT_USAGE

    assert "handles, payments" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["titan.edge", "payments"], ["titan.worker", "ledger_posting"]]
)
def test_the_demo_leaves_loopback_for_nobody(arguments: list[str]) -> None:
    environment = {**os.environ, "TITAN_BIND_HOST": "0.0.0.0"}
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode == 2
    assert "binds to loopback only" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_probe_tells_health_by_its_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        try:
            assert probe.main([f"{base}/ready"]) == 0
            assert probe.main([f"{base}/health"]) == 1
        finally:
            server.shutdown()
            thread.join()
    assert "503" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [([], 2), (["ready"], 2), (["file:///etc/passwd"], 2), (["http://127.0.0.1:1/ready"], 1)],
)
def test_a_probe_asks_one_address_over_http(arguments: list[str], status: int) -> None:
    assert probe.main(arguments) == status


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(60)
async def test_edges_share_a_process_each_at_its_port_and_end_together() -> None:
    ports = {"feed": free_port(), "inbound": free_port()}
    nobody = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        **{f"TITAN_{EDGES[room].upper()}": str(port) for room, port in ports.items()},
        "TITAN_KAFKA_BOOTSTRAP": nobody,
        "TITAN_POSTGRES_DSN": f"postgresql://titan@{nobody}/titan",
        "TITAN_REDIS_URL": f"redis://{nobody}",
    }
    arguments = ["-m", "titan.edge", *ports]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, env=environment
    )
    try:
        for port in ports.values():
            await eventually(partial(answers, f"http://127.0.0.1:{port}/health"), 40)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
