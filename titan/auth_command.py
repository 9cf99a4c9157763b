"""`titan auth`: what an operator does about people, programs and signing keys; see docs/auth.md."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import bcrypt
import typer

from domain.client import client_of, person_of
from domain.contact import normalise_email
from domain.display_name import normalise_display_name
from domain.errors import Invalid
from producers.auth import people, signing, users
from producers.auth.events import Act
from producers.auth.passwords import normalise_password
from runtime import suspending
from runtime.database import Connection
from runtime.http.caller import Role
from titan.auth_place import act_once, show_rows, time_text
from titan.auth_programs_command import add_credential, clients, create_client, revoke
from titan.terminal import JsonOption, command_group, say, say_json
from titan.vault_place import VaultPlace

app: Final[typer.Typer] = command_group(
    "Who may sign in, which programs may call, which keys sign."
)

PersonArgument = Annotated[str, typer.Argument(help="The person: user:UUID, or the UUID alone.")]

app.command()(create_client)
app.command()(add_credential)
app.command()(revoke)
app.command()(clients)


@app.command()
def make_admin(
    email: Annotated[str, typer.Argument(help="The address that they sign in with.")],
    *,
    role: Annotated[
        list[Role] | None, typer.Option(help="What they may do; more than one may be said.")
    ] = None,
    name: Annotated[str, typer.Option(help="Shown beside what they do.")] = "Administrator",
    password_from: Annotated[
        Path | None,
        typer.Option(help="A file with the password of a new person; - for standard input."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make somebody staff; who does not sign in yet is registered, with a password asked for."""
    address, display_name = normalise_email(email), normalise_display_name(name)
    roles = role or [Role.ADMIN]

    async def find(place: VaultPlace, connection: Connection, _: Act) -> UUID | None:
        index = place.vault.blind_index(users.EMAIL_INDEX, address)
        known = await users.find_user(connection, index)
        return None if known is None else known.user_id

    known_id = act_once(find)
    # Asked for between two transactions: people type slowly.
    password = None if known_id is not None else normalise_password(_password(password_from))

    async def run(place: VaultPlace, connection: Connection, act: Act) -> UUID:
        user_id = known_id or place.clock.random_id()
        if password is not None:
            salt = bcrypt.gensalt(place.settings.password_cost)
            person = await people.sealed_person(
                place.vault,
                user_id,
                email=address,
                display_name=display_name,
                password_hash=bcrypt.hashpw(password, salt).decode("ascii"),
            )
            if not await people.add_person(connection, act, person):
                raise Invalid("email_taken", "somebody has just registered with this address")
        await people.grant_roles(connection, act, user_id, roles)
        return user_id

    client_id = client_of(act_once(run))
    if as_json:
        say_json({"person": client_id, "roles": sorted(roles)})
    else:
        say(f"{client_id} is {', '.join(sorted(roles))}; a sign-in from now on says so")


@app.command()
def revoke_roles(
    person: PersonArgument,
    *,
    role: Annotated[
        list[Role] | None, typer.Option(help="What they may do no more; all if none is said.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take roles away from somebody of the staff, at once: their sessions end."""
    person_id = _person_id(person)

    async def run(_: VaultPlace, connection: Connection, act: Act) -> tuple[bool, list[str]]:
        user = await users.read_user(connection, person_id)
        if user is None:
            raise Invalid("unknown_person", "nobody of this id can sign in")
        left = await people.revoke_roles(connection, act, person_id, role or [])
        return left is not None, sorted(user.roles if left is None else left)

    is_new, left = act_once(run)
    if as_json:
        say_json({"person": client_of(person_id), "roles": left, "is_new": is_new})
    else:
        what = ", ".join(left) or "no staff"
        say(f"{client_of(person_id)} is {what}{'' if is_new else ', as before'}")


@app.command()
def suspend(person: PersonArgument, *, as_json: JsonOption = False) -> None:
    """Let somebody in nowhere, at once: all edges are told, and their sessions end."""
    _change_standing(person, suspending.suspend, "suspended", as_json=as_json)


@app.command()
def reinstate(person: PersonArgument, *, as_json: JsonOption = False) -> None:
    """Let somebody who was suspended sign in again."""
    _change_standing(person, suspending.reinstate, "reinstated", as_json=as_json)


@app.command()
def keys(*, as_json: JsonOption = False) -> None:
    """List the keys that access tokens are signed with."""

    async def run(_: VaultPlace, connection: Connection, act: Act) -> list[list[str]]:
        rows = await signing.read_rows(connection)
        current, published = signing.signing_row(rows, act.at), signing.published_rows(rows, act.at)
        return [
            [
                row.kid,
                time_text(row.signs_from),
                "signs" if row is current else "published" if row in published else "over",
            ]
            for row in rows
        ]

    show_rows(["key", "signs from", "state"], act_once(run), as_json=as_json)


@app.command()
def rotate_keys(
    *,
    revoke_others: Annotated[
        bool,
        typer.Option(help="A key leaked: believe nothing more that was signed so far."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the next signing key: it is published now, and signs once every edge can know it."""

    async def run(place: VaultPlace, connection: Connection, act: Act) -> signing.KeyRow:
        row = await signing.rotate(connection, place.vault, act.at, revoke_others=revoke_others)
        action = "signing-key.replace-leaked" if revoke_others else "signing-key.rotate"
        await place.write_act(connection, action, f"signing-key:{row.kid}")
        return row

    row = act_once(run)
    if as_json:
        say_json({"key": row.kid, "signs_from": row.signs_from})
    else:
        say(f"{row.kid} signs from {time_text(row.signs_from)}")


def _change_standing(
    person: str,
    change: Callable[[Connection, Act, UUID], Awaitable[bool]],
    word: str,
    *,
    as_json: bool,
) -> None:
    person_id = _person_id(person)

    async def run(_: VaultPlace, connection: Connection, act: Act) -> bool:
        if await suspending.read_sign_in(connection, person_id, lock=True) is None:
            raise Invalid("unknown_person", "nobody of this id can sign in")
        return await change(connection, act, person_id)

    is_new = act_once(run)
    if as_json:
        say_json({"person": client_of(person_id), "state": word, "is_new": is_new})
    else:
        say(f"{client_of(person_id)} {'is' if is_new else 'was already'} {word}")


def _person_id(person: str) -> UUID:
    person_id = person_of(person if person.startswith("user:") else f"user:{person}")
    if person_id is None:
        raise Invalid("invalid_person", "name the person as user:UUID, or by the UUID alone")
    return person_id


def _password(path: Path | None) -> str:
    if path is None:
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    return text.rstrip("\n")
