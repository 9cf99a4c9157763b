"""Devices that show codes: proposed, verified, removed."""

from uuid import UUID

from producers.auth import users
from producers.auth.edge import AuthEdge
from producers.auth.events import Act, message
from producers.auth.meters import account_of
from producers.auth.models import TotpAnswer
from producers.auth.totp import new_totp_secret, totp_uri
from producers.auth.tries import (
    Right,
    WrongCodeError,
    counted_right,
    note_refusal,
    try_password_again,
    use_code,
    wrong_credentials,
)
from runtime.http.problem import ProblemError
from runtime.outbox import put
from schemas.session import SessionRefusalCode
from schemas.user import TotpEnrolled, TotpRemoved


async def propose_device(
    edge: AuthEdge, act: Act, *, user_id: UUID, password: str, address: str
) -> TotpAnswer:
    """A secret for a device; ProblemError 401 if the password is wrong, 409 `totp_enrolled`."""
    right = await try_password_again(edge, act, user_id, password=password, address=address)
    vault, user = edge.resources.vault, right.user
    secret = new_totp_secret()
    binding = users.binding("totp_sealed", user_id)
    [sealed] = await vault.seal_for(user_id, [(binding, secret)])
    name = "Titan"
    if user.email_sealed is not None:
        email_binding = users.binding("email_sealed", user_id)
        [name] = await vault.open_for(user_id, [(email_binding, user.email_sealed)])
    async with counted_right(edge, act, right) as (connection, _):
        if not await users.propose_totp(connection, user_id, sealed):
            raise ProblemError(409, "totp_enrolled", "a device is enrolled; remove it first")
    return TotpAnswer(secret=secret, uri=totp_uri(secret, name=name))


async def verify_device(
    edge: AuthEdge, act: Act, *, user_id: UUID, session_id: UUID, code: str, address: str
) -> None:
    """Ask for codes from now on; ProblemError 401, 409 `totp_not_proposed`, or 429."""
    async with edge.resources.database.connection() as connection:
        user = await users.read_user(connection, user_id)
    if user is None or user.totp_sealed is None or user.has_totp:
        raise ProblemError(409, "totp_not_proposed", "no device waits to be verified")
    account = account_of(user_id, user.email_index)
    keys = edge.meters.of_sign_in(address=address, account=account)
    async with edge.door.before(keys, act.at):
        right = Right(user, keys, await edge.door.charge(keys, act.at))
    event = TotpEnrolled(
        request_id=act.act_id, requested_at=act.at, user_id=user_id, session_id=session_id
    )
    try:
        async with counted_right(edge, act, right) as (connection, now):
            if not await use_code(edge, act, connection, now, code):
                raise WrongCodeError
            await users.enrol_totp(connection, user_id, act.at)
            await put(connection, [message(act, event)])
    except WrongCodeError:
        await note_refusal(edge, act, right, SessionRefusalCode.WRONG_CODE)
        raise wrong_credentials() from None


async def remove_device(
    edge: AuthEdge,
    act: Act,
    *,
    user_id: UUID,
    session_id: UUID,
    password: str,
    code: str,
    address: str,
) -> None:
    """Ask for codes no more; ProblemError 401, 409 `totp_not_enrolled`, or 429."""
    right = await try_password_again(edge, act, user_id, password=password, address=address)
    if not right.user.has_totp:
        raise ProblemError(409, "totp_not_enrolled", "no device is enrolled")
    event = TotpRemoved(
        request_id=act.act_id, requested_at=act.at, user_id=user_id, session_id=session_id
    )
    try:
        async with counted_right(edge, act, right) as (connection, now):
            if not await use_code(edge, act, connection, now, code):
                raise WrongCodeError
            await users.remove_totp(connection, user_id)
            await put(connection, [message(act, event)])
    except WrongCodeError:
        await note_refusal(edge, act, right, SessionRefusalCode.WRONG_CODE)
        raise wrong_credentials() from None
