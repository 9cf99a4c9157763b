"""Registering, signing in, and another password."""

from datetime import timedelta
from uuid import UUID

from domain.client import client_of
from domain.contact import normalise_email
from domain.display_name import normalise_display_name
from domain.errors import Invalid
from producers.auth import limits, users
from producers.auth.edge import AuthEdge
from producers.auth.events import Act, message, revoked_messages
from producers.auth.models import LoginBody, PasswordBody, RegisterBody, TokenAnswer
from producers.auth.passwords import normalise_password
from producers.auth.people import add_person, sealed_person
from producers.auth.secret import REFRESH_MARK, new_secret
from producers.auth.session_rows import Session, add_session, end_sessions_of
from producers.auth.tokens import token_answer
from producers.auth.tries import (
    Right,
    WrongCodeError,
    counted_right,
    note_refusal,
    try_password,
    try_password_again,
    use_code,
    wrong_credentials,
)
from producers.auth.users import User
from runtime.database import Connection
from runtime.http.problem import Fault, ProblemError
from runtime.outbox import put
from schemas.session import RevocationReason, SessionRefusalCode, SessionStarted
from schemas.user import PasswordChanged


async def register(edge: AuthEdge, act: Act, body: RegisterBody, *, address: str) -> UUID:
    """Let somebody sign in from now on; their id.

    ProblemError 422 with everything that is wrong with the body, 409 `email_taken`, or 429.
    """
    email, password, display_name = _checked(body)
    index = edge.resources.vault.blind_index(users.EMAIL_INDEX, email)
    keys = [edge.meters.of_registration(address)]
    async with edge.door.before(keys, act.at), edge.hasher.turn(address) as turn:
        await edge.door.charge(keys, act.at)
        async with edge.resources.database.connection() as connection:
            if await users.find_user(connection, index) is not None:
                raise _email_taken()
        password_hash = await turn.hash(password)
    person = await sealed_person(
        edge.resources.vault,
        edge.resources.clock.random_id(),
        email=email,
        display_name=display_name,
        password_hash=password_hash,
    )
    async with edge.resources.database.connection() as connection, connection.transaction():
        if not await add_person(connection, act, person):
            raise _email_taken()
    edge.relay.wake()
    return person.user_id


async def sign_in(edge: AuthEdge, act: Act, body: LoginBody, *, address: str) -> TokenAnswer:
    """A session for somebody who shows that they are who they say.

    ProblemError 401 `invalid_credentials` or `totp_required`, 403 `account_suspended`, 429.
    """
    index = edge.resources.vault.blind_index(users.EMAIL_INDEX, normalise_email(body.email))

    async def find(connection: Connection) -> User | None:
        return await users.find_user(connection, index)

    right = await try_password(
        edge, act, find, account=index, password=body.password, address=address
    )
    try:
        return await _start_session(edge, act, right, body.totp_code)
    except WrongCodeError:
        await note_refusal(edge, act, right, SessionRefusalCode.WRONG_CODE)
        raise wrong_credentials() from None


async def change_password(
    edge: AuthEdge,
    act: Act,
    body: PasswordBody,
    *,
    user_id: UUID,
    session_id: UUID,
    address: str,
) -> None:
    """Another password in place of the current one; ends all other sessions.

    ProblemError 401 if the current one is wrong, 422 if the new one cannot be one, 429.
    """
    try:
        password = normalise_password(body.new_password)
    except Invalid as error:
        raise _faulty([Fault("/new_password", error.message, error.code)]) from None
    right = await try_password_again(
        edge, act, user_id, password=body.current_password, address=address
    )
    async with edge.hasher.turn(address, is_known=True) as turn:
        password_hash = await turn.hash(password)
    async with counted_right(edge, act, right) as (connection, user):
        before = user.password_hash
        assert before is not None
        if not await users.set_password(
            connection, user_id, before=before, password_hash=password_hash
        ):
            raise wrong_credentials()
        ended = await end_sessions_of(connection, user_id, act.at, but=session_id)
        event = PasswordChanged(
            request_id=act.act_id, requested_at=act.at, user_id=user_id, session_id=session_id
        )
        revoked = revoked_messages(act, ended, RevocationReason.PASSWORD_CHANGED)
        await put(connection, [message(act, event), *revoked])


async def _start_session(edge: AuthEdge, act: Act, right: Right, code: str | None) -> TokenAnswer:
    secret = new_secret(REFRESH_MARK)
    async with counted_right(edge, act, right) as (connection, user):
        if user.has_totp:
            if code is None:
                detail = "send the code of your device as totp_code"
                raise ProblemError(401, "totp_required", detail)
            if not await use_code(edge, act, connection, user, code):
                raise WrongCodeError
        session = Session(
            session_id=edge.resources.clock.random_id(),
            with_totp=user.has_totp,
            started_at=act.at,
            refreshed_at=act.at,
            expires_at=act.at + timedelta(seconds=limits.SESSION_S),
        )
        ended = await add_session(
            connection, session, user_id=user.user_id, token_hash=secret.digest
        )
        event = SessionStarted(
            request_id=act.act_id,
            requested_at=act.at,
            user_id=user.user_id,
            session_id=session.session_id,
            with_totp=session.with_totp,
            expires_at=session.expires_at,
        )
        told = [message(act, event), *revoked_messages(act, ended, RevocationReason.ASKED)]
        await put(connection, told)
    return await token_answer(
        edge,
        act,
        client_id=client_of(user.user_id),
        session_id=session.session_id,
        roles=user.roles,
        refresh_token=secret.text,
        session_expires_at=session.expires_at,
    )


def _checked(body: RegisterBody) -> tuple[str, bytes, str]:
    """E-mail, password and display name as they are kept; every fault at once."""
    faults: list[Fault] = []
    email, password, display_name = "", b"", ""
    try:
        email = normalise_email(body.email)
    except Invalid as error:
        faults.append(Fault("/email", error.message, error.code))
    try:
        password = normalise_password(body.password)
    except Invalid as error:
        faults.append(Fault("/password", error.message, error.code))
    try:
        display_name = normalise_display_name(body.display_name)
    except Invalid as error:
        faults.append(Fault("/display_name", error.message, error.code))
    if faults:
        raise _faulty(faults)
    return email, password, display_name


def _faulty(faults: list[Fault]) -> ProblemError:
    return ProblemError(422, faults[0].code or "invalid_body", faults[0].message, faults=faults)


def _email_taken() -> ProblemError:
    return ProblemError(409, "email_taken", "somebody signs in with this address already")
