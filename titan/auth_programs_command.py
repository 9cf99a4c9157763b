"""`titan auth`: programs that call the API, and what they show; see docs/auth.md."""

from typing import Annotated, Any, Final
from uuid import UUID

import typer

from domain.errors import Invalid
from producers.auth import programs
from producers.auth.events import OPERATOR, Act
from runtime.database import Connection
from runtime.http.caller import Scope
from schemas.credentials import CredentialKind
from titan.auth_place import act_once, show_rows, time_text
from titan.terminal import JsonOption, say, say_json
from titan.vault_place import VaultPlace

_LISTED_MAX: Final = 1_000

ClientArgument = Annotated[str, typer.Argument(help="The program: client:NAME, or the name alone.")]
ScopeOption = Annotated[
    list[Scope] | None, typer.Option("--scope", help="What it may do; more than one may be said.")
]
ApiKeyOption = Annotated[
    bool, typer.Option("--api-key", help="An API key in place of a secret for POST /oauth/token.")
]


def create_client(
    name: ClientArgument,
    *,
    scope: ScopeOption = None,
    api_key: ApiKeyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a program call the API, and show its secret: this once, and never again."""
    client_id = _client(name)
    if not scope:
        raise Invalid("usage", f"say what it may do by --scope: {', '.join(Scope)}")

    async def run(place: VaultPlace, connection: Connection, act: Act) -> dict[str, Any]:
        if not await programs.add_program(connection, client_id, scopes=scope, at=act.at):
            raise Invalid("client_exists", f"there is a {client_id}; add-credential gives it more")
        return await _credential(place, connection, act, client_id, scope, api_key=api_key)

    _show_credential(act_once(run), as_json=as_json)


def add_credential(
    client: ClientArgument,
    *,
    scope: ScopeOption = None,
    api_key: ApiKeyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a program one secret more, to replace another without a pause. No scope: all it has."""

    async def run(place: VaultPlace, connection: Connection, act: Act) -> dict[str, Any]:
        client_id = _client(client)
        return await _credential(place, connection, act, client_id, scope or [], api_key=api_key)

    _show_credential(act_once(run), as_json=as_json)


def revoke(
    client: ClientArgument,
    credential: Annotated[
        str | None, typer.Argument(help="One credential's id; without it the whole program.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Let a program, or one of its credentials, count no more; its tokens neither."""
    client_id, credential_id = _client(client), None if credential is None else _uuid(credential)

    async def run(_: VaultPlace, connection: Connection, act: Act) -> bool:
        if credential_id is None:
            return await programs.revoke_program(connection, act, client_id, changed_by=OPERATOR)
        return await programs.revoke_credential(
            connection, act, client_id, credential_id, changed_by=OPERATOR
        )

    if not act_once(run):
        raise Invalid("unknown", "there is no such program or credential: see `titan auth clients`")
    revoked = credential or client_id
    if as_json:
        say_json({"revoked": revoked})
    else:
        say(f"{revoked} is revoked")


def clients(*, as_json: JsonOption = False) -> None:
    """List programs and what they may show: prefixes, never secrets."""

    async def run(_: VaultPlace, connection: Connection, __: Act) -> list[list[str]]:
        return [
            [
                each.client_id,
                str(each.credential_id),
                each.kind,
                each.prefix,
                " ".join(each.scopes),
                time_text(each.last_used_at) or "never",
                time_text(each.revoked_at),
            ]
            for program in await programs.list_programs(connection, after=None, limit=_LISTED_MAX)
            for each in await programs.list_credentials(
                connection, program.client_id, limit=_LISTED_MAX
            )
        ]

    columns = ["client", "credential", "kind", "prefix", "scopes", "last used", "revoked"]
    show_rows(columns, act_once(run), as_json=as_json)


async def _credential(
    place: VaultPlace,
    connection: Connection,
    act: Act,
    client_id: str,
    scopes: list[Scope],
    *,
    api_key: bool,
) -> dict[str, Any]:
    made = await programs.add_credential(
        connection,
        act,
        client_id,
        credential_id=place.clock.random_id(),
        kind=CredentialKind.API_KEY if api_key else CredentialKind.SECRET,
        scopes=scopes,
        changed_by=OPERATOR,
    )
    if made is None:
        raise Invalid("unknown_client", f"there is no {client_id}, or it was revoked")
    credential, secret = made
    return {
        "client_id": client_id,
        "credential_id": credential.credential_id,
        "kind": credential.kind,
        "scopes": list(credential.scopes),
        "secret": secret.text,
    }


def _show_credential(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(shown)
        return
    say(f"{shown['client_id']} may do: {', '.join(shown['scopes'])}")
    say(f"its {shown['kind']}, shown this once: {shown['secret']}")


def _client(name: str) -> str:
    client_id = programs.PROGRAM_PREFIX + name.removeprefix(programs.PROGRAM_PREFIX)
    if not programs.CLIENT_ID.match(client_id):
        raise Invalid("invalid_client", "a program's name is a-z, 0-9 and -, and begins with a-z")
    return client_id


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("invalid_credential", "name the credential by its id") from None
