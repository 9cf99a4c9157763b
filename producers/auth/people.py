"""New people, and what an operator does about people: each told on the log in its transaction."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from producers.auth import users
from producers.auth.events import OPERATOR, Act, message, revoked_messages
from producers.auth.session_rows import end_sessions_of
from runtime.database import Connection
from runtime.http.caller import Role
from runtime.outbox import put
from runtime.vault import Vault
from schemas.session import RevocationReason
from schemas.user import UserRegistered, UserRolesChanged


class NewPerson(NamedTuple):
    """Somebody as the table and the log have them."""

    user_id: UUID
    email_index: str
    email_sealed: str
    display_name_sealed: str
    password_hash: str


async def sealed_person(
    vault: Vault, user_id: UUID, *, email: str, display_name: str, password_hash: str
) -> NewPerson:
    """Seal who somebody is; `email` and `display_name` are normalised."""
    email_sealed, display_name_sealed = await vault.seal_for(
        user_id,
        [
            (users.binding("email_sealed", user_id), email),
            (users.binding("display_name_sealed", user_id), display_name),
        ],
    )
    index = vault.blind_index(users.EMAIL_INDEX, email)
    return NewPerson(user_id, index, email_sealed, display_name_sealed, password_hash)


async def add_person(connection: Connection, act: Act, person: NewPerson) -> bool:
    """Let somebody sign in from now on; False if the address is somebody's already."""
    if not await users.add_user(connection, **person._asdict(), at=act.at):
        return False
    event = UserRegistered(
        request_id=act.act_id,
        requested_at=act.at,
        user_id=person.user_id,
        email_sealed=person.email_sealed,
        display_name_sealed=person.display_name_sealed,
    )
    await put(connection, [message(act, event)])
    return True


async def grant_roles(
    connection: Connection, act: Act, user_id: UUID, roles: Sequence[Role]
) -> None:
    """Make somebody staff, or no more; they sign in anew, so that their tokens say so."""
    await users.set_roles(connection, user_id, sorted(roles))
    event = UserRolesChanged(
        request_id=act.act_id,
        requested_at=act.at,
        user_id=user_id,
        roles=sorted(roles),
        changed_by=OPERATOR,
    )
    ended = await end_sessions_of(connection, user_id, act.at)
    revoked = revoked_messages(act, ended, RevocationReason.ROLES_CHANGED)
    await put(connection, [message(act, event), *revoked])


async def revoke_roles(
    connection: Connection, act: Act, user_id: UUID, roles: Collection[Role]
) -> list[Role] | None:
    """Take roles of somebody's away, all if none is named; what is left, or None if nothing was.

    They sign in anew: their sessions end, so that no token with the old roles is believed.
    """
    user = await users.read_user(connection, user_id, lock=True)
    held = set() if user is None else {Role(name) for name in user.roles}
    left = held - set(roles or held)
    if left == held:
        return None
    await grant_roles(connection, act, user_id, sorted(left))
    return sorted(left)
