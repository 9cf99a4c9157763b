"""A try with a password: metered, in turn, and as slow for nobody as for somebody."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from producers.auth import users
from producers.auth.edge import AuthEdge
from producers.auth.events import Act, message
from producers.auth.metering import Charged, MeterKey
from producers.auth.meters import account_of
from producers.auth.totp import step_of
from producers.auth.users import User
from runtime.database import Connection
from runtime.http.problem import ProblemError
from runtime.outbox import put
from schemas.session import SessionRefusalCode, SessionRefused
from schemas.user import UserBlocked

FindUser = Callable[[Connection], Awaitable[User | None]]


@dataclass(frozen=True, slots=True)
class Right:
    """A try that was right so far: whose, and what it was charged on."""

    user: User
    keys: list[MeterKey]
    charged: Charged


class Counted(NamedTuple):
    """What a right try leads to: its transaction, and its owner as they stand now, locked."""

    connection: Connection
    user: User


class WrongCodeError(Exception):
    """Rolls back what the code was not right for."""


class _SuspendedError(Exception):
    """Rolls back what somebody who is suspended may not do."""


def wrong_credentials() -> ProblemError:
    """The one answer to a wrong address, password or code, whichever it was."""
    return ProblemError(401, "invalid_credentials", "the address, password or code is wrong")


async def try_password(
    edge: AuthEdge,
    act: Act,
    find: FindUser,
    *,
    account: str,
    password: str,
    address: str,
) -> Right:
    """Whose password this is. ProblemError 401 if it is wrong, 429 if there were too many tries.

    503 `busy` when the hashing threads are: then nothing was counted.
    """
    keys = edge.meters.of_sign_in(address=address, account=account)
    async with edge.door.before(keys, act.at):
        is_known = await edge.meters.is_known(keys, act.at)
        async with edge.hasher.turn(address, is_known=is_known) as turn:
            charged = await edge.door.charge(keys, act.at)
            async with edge.resources.database.connection() as connection:
                user = await find(connection)
            hashed = None if user is None else user.password_hash
            is_right = await turn.check(password, hashed)
        if user is None:
            raise wrong_credentials()
        right = Right(user, keys, charged)
        if not is_right:
            await note_refusal(edge, act, right, SessionRefusalCode.WRONG_PASSWORD)
            raise wrong_credentials()
        return right


async def try_password_again(
    edge: AuthEdge, act: Act, user_id: UUID, *, password: str, address: str
) -> Right:
    """The same for somebody who is signed in."""
    async with edge.resources.database.connection() as connection:
        user = await users.read_user(connection, user_id)

    async def find(connection: Connection) -> User | None:
        return await users.read_user(connection, user_id)

    account = account_of(user_id, None if user is None else user.email_index)
    return await try_password(edge, act, find, account=account, password=password, address=address)


@asynccontextmanager
async def counted_right(edge: AuthEdge, act: Act, right: Right) -> AsyncIterator[Counted]:
    """What a right try leads to, in one transaction; its owner is locked, its charge taken back.

    ProblemError 401 if the password was changed meanwhile, 403 `account_suspended`. Between the
    look at the password and this lies a hash: whatever else is decided by the owner's row, their
    roles or whether a code is asked for, is decided by the one that this gives, not by `right`.
    """
    try:
        async with edge.resources.database.connection() as connection, connection.transaction():
            now = await users.read_user(connection, right.user.user_id, lock=True)
            if now is None or now.password_hash != right.user.password_hash:
                raise wrong_credentials()
            if now.suspended_at is not None:
                raise _SuspendedError
            await edge.meters.refund(connection, right.keys, act.at)
            yield Counted(connection, now)
    except _SuspendedError:
        await note_refusal(edge, act, right, SessionRefusalCode.SUSPENDED)
        raise ProblemError(
            403, "account_suspended", "this account may not sign in for now"
        ) from None
    edge.relay.wake()


async def use_code(edge: AuthEdge, act: Act, connection: Connection, user: User, code: str) -> bool:
    """Whether a code of the person's device is right, and was not used before."""
    if user.totp_sealed is None:
        return False
    binding = users.binding("totp_sealed", user.user_id)
    [secret] = await edge.resources.vault.open_for(user.user_id, [(binding, user.totp_sealed)])
    step = step_of(secret, code, now=act.at, used_step=user.totp_step)
    if step is None:
        return False
    return await users.use_totp_step(
        connection, user.user_id, totp_sealed=user.totp_sealed, step=step
    )


async def note_refusal(edge: AuthEdge, act: Act, right: Right, code: SessionRefusalCode) -> None:
    """Put it on the log that somebody was turned away, and whether they are blocked by it."""
    user_id, charged = right.user.user_id, right.charged
    told = [
        message(
            act,
            SessionRefused(request_id=act.act_id, requested_at=act.at, user_id=user_id, code=code),
        )
    ]
    if charged.blocked_until is not None:
        told.append(
            message(
                act,
                UserBlocked(
                    request_id=act.act_id,
                    requested_at=act.at,
                    user_id=user_id,
                    failures=charged.failures,
                    blocked_until=charged.blocked_until,
                ),
            )
        )
    async with edge.resources.database.connection() as connection, connection.transaction():
        await put(connection, told)
    edge.relay.wake()
