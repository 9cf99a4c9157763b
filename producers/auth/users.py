"""The table `auth_users`: who can sign in, by what, and as what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from runtime.database import Connection
from runtime.vault import Binding

TABLE: Final = "auth_users"
EMAIL_INDEX: Final = "auth_users.email"
"""The column of the vault's blind index of e-mail addresses."""

_COLUMNS: Final = (
    "user_id, email_index, email_sealed, password_hash, roles, suspended_at, totp_sealed, "
    "totp_enrolled_at, totp_step"
)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in. Of one who was forgotten nothing is left but the id."""

    user_id: UUID
    email_index: str | None
    email_sealed: str | None
    password_hash: str | None
    roles: tuple[str, ...]
    suspended_at: datetime | None
    totp_sealed: str | None
    totp_enrolled_at: datetime | None
    totp_step: int

    @property
    def has_totp(self) -> bool:
        """Whether a code is asked for as well."""
        return self.totp_sealed is not None and self.totp_enrolled_at is not None


def binding(column: str, user_id: UUID) -> Binding:
    """Where a sealed text of somebody stands."""
    return Binding(TABLE, column, user_id, user_id)


async def find_user(connection: Connection, email_index: str) -> User | None:
    """Somebody by their e-mail's blind index."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM auth_users WHERE email_index = $1",  # noqa: S608 - a constant
        email_index,
    )
    return _user(row)


async def read_user(connection: Connection, user_id: UUID, *, lock: bool = False) -> User | None:
    """Somebody by id; `lock` keeps others from changing them until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM auth_users WHERE user_id = $1 "  # noqa: S608 - constants
        + ("FOR UPDATE" if lock else ""),
        user_id,
    )
    return _user(row)


async def add_user(
    connection: Connection,
    *,
    user_id: UUID,
    email_index: str,
    email_sealed: str,
    display_name_sealed: str,
    password_hash: str,
    at: datetime,
) -> bool:
    """Somebody new; False if the e-mail address is somebody's already."""
    done = await connection.execute(
        "INSERT INTO auth_users (user_id, email_index, email_sealed, display_name_sealed, "
        "password_hash, registered_at) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (email_index) DO NOTHING",
        user_id,
        email_index,
        email_sealed,
        display_name_sealed,
        password_hash,
        at,
    )
    return str(done) == "INSERT 0 1"


async def set_password(
    connection: Connection, user_id: UUID, *, before: str, password_hash: str
) -> bool:
    """Another password in place of the one that was checked; False if that was replaced since."""
    done = await connection.execute(
        "UPDATE auth_users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
        user_id,
        before,
        password_hash,
    )
    return str(done) == "UPDATE 1"


async def set_roles(connection: Connection, user_id: UUID, roles: list[str]) -> None:
    """What they may do as staff from now on."""
    await connection.execute("UPDATE auth_users SET roles = $2 WHERE user_id = $1", user_id, roles)


async def propose_totp(connection: Connection, user_id: UUID, totp_sealed: str) -> bool:
    """A secret that counts once it is verified; False if another counts already."""
    done = await connection.execute(
        "UPDATE auth_users SET totp_sealed = $2, totp_step = 0 "
        "WHERE user_id = $1 AND totp_enrolled_at IS NULL",
        user_id,
        totp_sealed,
    )
    return str(done) == "UPDATE 1"


async def use_totp_step(
    connection: Connection, user_id: UUID, *, totp_sealed: str, step: int
) -> bool:
    """Let a code count, once: False if it, or a later one, was used before."""
    done = await connection.execute(
        "UPDATE auth_users SET totp_step = $3 "
        "WHERE user_id = $1 AND totp_sealed = $2 AND totp_step < $3",
        user_id,
        totp_sealed,
        step,
    )
    return str(done) == "UPDATE 1"


async def enrol_totp(connection: Connection, user_id: UUID, at: datetime) -> None:
    """Ask for codes from now on."""
    await connection.execute(
        "UPDATE auth_users SET totp_enrolled_at = $2 WHERE user_id = $1", user_id, at
    )


async def remove_totp(connection: Connection, user_id: UUID) -> None:
    """Ask for codes no more."""
    await connection.execute(
        "UPDATE auth_users SET totp_sealed = NULL, totp_enrolled_at = NULL, totp_step = 0 "
        "WHERE user_id = $1",
        user_id,
    )


def _user(row: asyncpg.Record | None) -> User | None:
    if row is None:
        return None
    return User(**{**row, "roles": tuple(row["roles"])})
