"""The entry points of Titan's processes: what they refuse, they refuse in one line."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from titan import edge, probe, worker

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "stages", [[], ["nothing"], ["ledger_posting", "ledger_posting"], ["ledger_posting", ""]]
)
def test_a_worker_wants_known_stages_once(
    stages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert worker.main(stages) == worker.EXIT_USAGE

    assert "risk_screening" in capsys.readouterr().err


@pytest.mark.parametrize("rooms", [[], ["nothing"], ["handles", "payments"]])
def test_an_edge_is_one_that_exists(rooms: list[str], capsys: pytest.CaptureFixture[str]) -> None:
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
