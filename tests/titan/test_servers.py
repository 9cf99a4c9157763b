"""Embedded servers start, say plainly why they cannot, and leave nothing behind."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import redis.asyncio

from tests.support.waiting import eventually
from titan.servers import (
    EmbeddedServer,
    Kafka,
    Postgres,
    ServerPlan,
    Servers,
    ServerStartError,
    Valkey,
    fleet,
)
from titan.servers.ports import free_port, is_port_free
from titan.servers.process import write_pid_file
from titan.servers.sweep import sweep

REPOSITORY = Path(__file__).parents[2]

# Starts the server of the directory it is given, says so, and stays.
OWNER = """
import asyncio, sys
from pathlib import Path
from titan.servers import Valkey

async def main():
    server = Valkey(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    await server.start()
    yield server
    await server.stop()


def processes_of(server: EmbeddedServer) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(server.directory) in part for part in process.info["cmdline"] or [])
    ]


@pytest.mark.real
@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", [Postgres, Valkey, Kafka])
async def test_a_server_answers_once_started_and_leaves_no_process_once_stopped(
    kind: type[EmbeddedServer], tmp_path: Path
) -> None:
    server = kind(tmp_path / "server")
    await server.start()
    try:
        was_running = server.is_running
        assert was_running
        assert server.version
        assert not is_port_free(server.port)
        assert processes_of(server)
    finally:
        await server.stop()

    assert not server.is_running
    assert not processes_of(server)
    assert is_port_free(server.port)
    await server.stop()  # A second time is allowed and does nothing.


@pytest.mark.real
async def test_a_port_in_use_is_said_with_its_holder_and_the_settings_that_help(
    valkey: Valkey, tmp_path: Path
) -> None:
    rival = Valkey(tmp_path / "rival", port=valkey.port)

    with pytest.raises(ServerStartError) as caught:
        await rival.start()

    message = str(caught.value)
    assert f"port {valkey.port} " in message
    assert f"pid {valkey.pid}" in message
    assert "TITAN_REDIS_PORT" in message
    assert "TITAN_REDIS_URL" in message
    assert "\n" not in message


@pytest.mark.real
async def test_a_directory_in_use_is_not_taken_over(valkey: Valkey) -> None:
    rival = Valkey(valkey.directory)

    with pytest.raises(ServerStartError, match=r"another Titan .* is using"):
        await rival.start()

    assert valkey.is_running


@pytest.mark.real
async def test_a_killed_server_starts_again_on_its_own_port(valkey: Valkey) -> None:
    valkey.kill()
    assert not processes_of(valkey)

    await valkey.start()

    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        assert await client.ping()


@pytest.mark.real
async def test_a_leftover_of_a_killed_run_is_ended_before_the_start(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey")
    server.data_path.mkdir(parents=True)
    leftover = background(server._command().arguments)
    try:
        await eventually(lambda: not is_port_free(server.port))
        write_pid_file(server.directory / "server.pid", leftover.pid)

        await server.start()

        assert leftover.poll() is not None
        assert server.pid != leftover.pid
    finally:
        leftover.kill()
        leftover.communicate()
        await server.stop()


@pytest.mark.real
async def test_a_pid_file_that_names_a_stranger_harms_nobody(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey")
    server.directory.mkdir()
    with background([sys.executable, "-c", "input()"]) as stranger:
        write_pid_file(server.directory / "server.pid", stranger.pid)
        await server.start()
        await server.stop()
        assert stranger.poll() is None
        stranger.communicate("\n")


@pytest.mark.real
async def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    with owner_process(tmp_path / "valkey") as owner:
        server_pid = await said_pid(owner)
        owner.kill()

    await eventually(lambda: not psutil.pid_exists(server_pid))


@pytest.mark.real
async def test_a_sweep_stops_whoever_uses_the_directory(tmp_path: Path) -> None:
    lines: list[str] = []
    with owner_process(tmp_path / "valkey") as owner:
        server_pid = await said_pid(owner)

        # The owner's end is seen only when it is waited for, which its parent, we, must do.
        waiting = asyncio.create_task(asyncio.to_thread(owner.wait))
        await sweep(tmp_path, progress=lines.append)
        assert await waiting == -signal.SIGTERM

    assert any(str(owner.pid) in line for line in lines)
    await eventually(lambda: not psutil.pid_exists(server_pid))


@pytest.mark.real
@pytest.mark.timeout(60)
async def test_an_interrupted_first_start_is_begun_anew(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    half_made = server.directory / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")

    await server.start()
    await server.stop()

    assert not half_made.exists()


@pytest.mark.real
async def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    server.data_path.mkdir(parents=True, mode=0o700)

    with pytest.raises(
        ServerStartError, match=r"ended at once with status 2: .*directory"
    ) as caught:
        await server.start()

    assert str(server.log_path) in str(caught.value)


async def test_a_nearly_full_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=123_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(ServerStartError, match=r"only 123 MB are free .* Free at least 500 MB"):
        await Valkey(tmp_path / "valkey").start()


def test_a_disk_that_filled_up_later_is_recognised_in_the_log(tmp_path: Path) -> None:
    server = Postgres(tmp_path)
    server.log_path.write_text(
        'PANIC:  could not write to file "pg_wal/1": No space left on device\n'
        "LOG:  database system is shut down\n"
    )

    assert server._last_words() == "the disk is full. Free some space and start again."


async def test_an_unsupported_platform_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Windows")

    with pytest.raises(ServerStartError, match=r"Windows.*TITAN_POSTGRES_DSN"):
        await Postgres(tmp_path / "postgres").start()


async def test_a_missing_program_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(ServerStartError, match=r"valkey-server .*riscv64.*make setup"):
        await Valkey(tmp_path / "valkey").start()


async def test_an_external_server_that_is_down_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "EXTERNAL_ANSWER_TIMEOUT_S", 0.2)
    port = free_port()
    plan = ServerPlan(
        directory=tmp_path,
        postgres_dsn=f"postgresql://titan:secret@127.0.0.1:{port}/titan",
        redis_url=f"redis://127.0.0.1:{port}",
        kafka_bootstrap=f"127.0.0.1:{port}",
    )

    with pytest.raises(ServerStartError, match="does not answer") as caught:
        await Servers(plan, progress=print).start()

    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.real
async def test_each_server_is_embedded_or_external_on_its_own(
    valkey: Valkey, tmp_path: Path
) -> None:
    lines: list[str] = []
    plan = ServerPlan(
        directory=tmp_path / "data",
        redis_url=valkey.url,
        kafka_bootstrap="127.0.0.1:1",
    )
    servers = Servers(plan, progress=lines.append)

    assert [type(server) for server in servers.embedded] == [Postgres]
    assert servers.endpoints.redis_url == valkey.url
    assert servers.endpoints.kafka_bootstrap == "127.0.0.1:1"


def test_free_ports_are_never_handed_out_twice() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == len(ports)


def background(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def owner_process(directory: Path) -> subprocess.Popen[str]:
    return background([sys.executable, "-c", OWNER, str(directory)])


async def said_pid(owner: subprocess.Popen[str]) -> int:
    assert owner.stdout is not None
    return int(await asyncio.to_thread(owner.stdout.readline))
