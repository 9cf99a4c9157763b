"""`titan up` as a newcomer meets it: on an empty directory, in its own process, on real servers."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waiting import eventually
from titan.servers.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.storm, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
STATES = ["requested", "resolved", "screened", "posted"]
START_S_MAX = 90.0
SERVERS = {"valkey": "Valkey", "kafka": "Kafka", "postgres": "PostgreSQL"}


class Place:
    """A data directory and two ports; every command runs there, as a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            "TITAN_DATA_DIRECTORY": str(directory),
            "TITAN_HANDLES_PORT": str(free_port()),
            "TITAN_PAYMENTS_PORT": str(free_port()),
        }

    async def start(self, *arguments: str) -> "Command":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "titan", *arguments, "--json"),
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return Command(process)

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        command = await self.start(*arguments)
        out, err = await command.process.communicate()
        assert command.process.returncode is not None
        return command.process.returncode, out.decode(), err.decode()

    @asynccontextmanager
    async def up(self, *arguments: str) -> AsyncIterator["Command"]:
        """A Titan that serves; ended by force if the test did not end it."""
        command = await self.start("up", *arguments)
        try:
            await command.until("progress", "Ctrl-C stops everything")
            assert not [line for line in command.heard if "mishap" in line], command.heard
            yield command
        finally:
            family = command.family()
            for process in family:
                if process.is_running():
                    process.kill()
            await command.process.wait()


class Command:
    """A running command that speaks JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []

    async def until(self, kind: str, start: str) -> dict[str, Any]:
        """Read on until a line of this kind begins so."""
        assert self.process.stdout is not None
        while True:
            try:
                async with asyncio.timeout(START_S_MAX):
                    line = await self.process.stdout.readline()
            except TimeoutError:
                line = b""
            assert line, (f"no {kind} beginning with {start!r}", self.heard)
            self.heard.append(json.loads(line))
            if str(self.heard[-1].get(kind, "")).startswith(start):
                return self.heard[-1]

    def family(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self.process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def child(self, *words: str) -> psutil.Process:
        """The descendant whose command line has all these words."""
        [found] = [each for each in self.family() if set(words) <= set(each.cmdline())]
        return found

    async def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def demonstration(heard: list[dict[str, Any]]) -> dict[str, Any]:
    [shown] = [line["demonstration"] for line in heard if "demonstration" in line]
    assert isinstance(shown, dict)
    return shown


def assert_people_are_told(shown: dict[str, Any]) -> None:
    told = shown["webhooks"]
    assert {each["type"] for each in told} == {"payment.requested.v1", "payment.posted.v1"}
    assert all(each["verified"] and each["answered"] == 204 for each in told)
    assert {each["handle"] for each in shown["notifications"]} == {"alice", "bob"}
    assert all(each["after_ms"] >= 0 for each in (*told, *shown["notifications"]))


def assert_money_moved(shown: dict[str, Any]) -> None:
    assert_people_are_told(shown)
    assert shown["state"] == "posted"
    assert [hop["event"] for hop in shown["journey"]] == STATES
    assert [hop["topic"] for hop in shown["journey"]] == [f"payment.{s}.v1" for s in STATES]
    assert sum(hop["hop_ms"] for hop in shown["journey"]) >= 0
    for handle, moved_minor in {"alice": -1000, "bob": 1000}.items():
        balance = shown["balances"][handle]
        assert balance["after_minor"] - balance["before_minor"] == moved_minor, handle


async def pay(place: Place) -> dict[str, Any]:
    status, out, err = await place.run("pay", "alice", "bob", "10.00")
    assert status == 0, (out, err)
    paid: dict[str, Any] = json.loads(out)
    return paid


def all_gone(family: list[psutil.Process]) -> bool:
    return not [
        each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE
    ]


async def test_a_newcomer_sees_money_move_and_whatever_ends_it_the_next_start_goes_on(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "data")

    status, out, err = await place.run("up", "--demo", "--once")

    assert status == 0, (out, err)
    first = demonstration(lines(out))
    assert_money_moved(first)
    assert not [line for line in lines(out) if "mishap" in line]

    async with place.up("--demo") as titan:
        second = demonstration(titan.heard)
        assert_money_moved(second)
        assert second["payment_id"] != first["payment_id"]
        before, after = second["balances"]["bob"], first["balances"]["bob"]
        assert before["before_minor"] == after["after_minor"]
        said = [line.get("progress") for line in titan.heard]
        assert "Database: 0 migrations applied" in said
        assert "Topics: 0 created, as topics.yaml says" in said
        assert (await pay(place))["state"] == "posted"
        family = titan.family()
        titan.process.kill()
        await eventually(lambda: all_gone(family), timeout_s=30.0)

    status, out, err = await place.run("up", "--demo", "--once")

    assert status == 0, (out, err)
    third = demonstration(lines(out))
    assert_money_moved(third)
    paid_twice_minor = second["balances"]["bob"]["after_minor"] + 1000
    assert third["balances"]["bob"]["before_minor"] == paid_twice_minor


async def test_commands_find_it_what_dies_is_started_again_and_payments_go_on(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "data")
    async with place.up("--demo", "--processes", "7") as titan:
        await assert_commands_work(place)
        # Who only tells of payments has the CPU after those who make them.
        telling, paying = (
            titan.child("titan.worker", stage).nice() for stage in ("event_feed", "ledger_posting")
        )
        assert telling > paying
        for stage in ("ledger_posting", "handle_resolution"):
            titan.child("titan.worker", stage).kill()
            await titan.until("mishap", "worker-")
            assert (await pay(place))["state"] == "posted"
        for folder, server in SERVERS.items():
            noted = json.loads((place.directory / folder / "server.pid").read_text())
            os.kill(noted["pid"], signal.SIGKILL)
            await titan.until("mishap", f"{server} is back")
            assert (await pay(place))["state"] == "posted"

        family = titan.family()
        assert await titan.interrupt() == 0
        assert all_gone(family)
        assert not (place.directory / "endpoints.json").exists()


async def assert_commands_work(place: Place) -> None:
    paid = await pay(place)
    status, out, _ = await place.run("watch", paid["payment_id"])
    assert (status, [hop["event"] for hop in lines(out)]) == (0, STATES)

    status, out, err = await place.run("pay", "alice", "bob", "999999999.00")
    refused = json.loads(out)
    assert (status, refused["state"]) == (1, "refused"), err
    status, out, _ = await place.run("watch", refused["payment_id"])
    assert (status, lines(out)[-1]["code"]) == (1, refused["refusal_code"])

    status, out, err = await place.run("doctor")
    faults = [line for line in json.loads(out) if line["status"] == "failed"]
    assert (status, faults) == (0, []), err

    status, _, err = await place.run("up")
    assert status == 1
    assert "another Titan" in err
    assert len(err.splitlines()) == 1


async def test_ctrl_c_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    command = await place.start("up", "--demo")
    await command.until("progress", "Valkey")
    family = command.family()

    assert await command.interrupt() == 130

    assert len(family) > 1
    assert all_gone(family)


async def test_a_port_in_use_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    with socket.create_server(("127.0.0.1", int(place.environment["TITAN_PAYMENTS_PORT"]))):
        status, _, err = await place.run("up")

    assert status == 1
    assert len(err.splitlines()) == 1
    assert f"(pid {os.getpid()})" in err
    assert "TITAN_PAYMENTS_PORT" in err


async def test_a_directory_that_cannot_be_made_is_one_line_with_the_remedy(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").write_text("a file", encoding="utf-8")

    status, _, err = await Place(tmp_path / "data").run("up")

    assert status == 1
    assert len(err.splitlines()) == 1
    assert "TITAN_DATA_DIRECTORY" in err


async def test_once_is_the_end_of_a_demo(tmp_path: Path) -> None:
    status, _, err = await Place(tmp_path / "data").run("up", "--once")

    assert status == 2
    assert "--demo" in err
