"""`titan forget`: destroy a person's key, so that nothing that was sealed for them opens again."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

import typer

from domain.client import client_of, person_of
from domain.errors import Invalid
from producers.users.forgetting import forget as forget_known
from runtime.follow import Follower
from runtime.outbox import OutboxRelay
from runtime.topics import topic_map
from schemas.forgetting import PersonForgotten
from titan.terminal import JsonOption, say, say_json
from titan.vault_place import VaultPlace, open_vault

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def forget(
    person: Annotated[
        str | None, typer.Argument(help="The person: user:UUID, or the UUID alone.")
    ] = None,
    *,
    from_log: Annotated[
        bool,
        typer.Option("--from-log", help="Everybody whom the log calls forgotten: after a restore."),
    ] = False,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a person, for good: their key and blind indexes are destroyed, and the log is told.

    Postings, amounts and pseudonymous ids stay; books and replay still balance.
    """
    if (person is None) != from_log:
        raise Invalid("usage", "name a person, or say --from-log")
    if from_log:
        done = asyncio.run(_from_log())
        _say_done(done, as_json=as_json)
        return
    person_id = _person(person or "")
    if not sure:
        typer.confirm(f"Forget {client_of(person_id)} for good?", abort=True)
    _say_done(asyncio.run(_forget_one(person_id)), as_json=as_json)


async def _forget_one(person_id: UUID) -> dict[UUID, bool]:
    async with open_vault(with_log=True) as place:
        done = {person_id: await _forgotten(place, person_id)}
        async with place.publisher() as publisher:
            relay = OutboxRelay(place.database, publisher, clock=place.clock)
            while await relay.relay_once():
                pass
        return done


async def _forgotten(place: VaultPlace, person_id: UUID) -> bool:
    async with place.database.connection() as connection, connection.transaction():
        return await forget_known(place.vault, connection, person_id, clock=place.clock)


async def _from_log() -> dict[UUID, bool]:
    """Forget everybody again whom the log has: the tables may be older than that."""
    async with open_vault(with_log=True) as place:
        done: dict[UUID, bool] = {}
        for person_id in await _told(place):
            async with place.database.connection() as connection, connection.transaction():
                # The log knows it already, so it is not told again.
                done[person_id] = await place.vault.forget(connection, person_id)
        return done


async def _told(place: VaultPlace) -> list[UUID]:
    """Whom the log calls forgotten."""
    settings = place.settings
    assert settings.kafka_bootstrap is not None
    follower = Follower(
        [topic_map()[PersonForgotten.TOPIC]],
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        since=_BEGINNING,
    )
    await follower.start()
    try:
        found: dict[UUID, None] = {}
        end = await follower.end()
        while not await follower.has_passed(end):
            for followed in await follower.poll():
                event = followed.delivered.event
                assert isinstance(event, PersonForgotten)
                found[event.person_id] = None
        return list(found)
    finally:
        await follower.stop()


def _person(text: str) -> UUID:
    person_id = person_of(text if text.startswith("user:") else f"user:{text}")
    if person_id is None:
        raise Invalid("invalid_person", "name the person as user:UUID, or by the UUID alone")
    return person_id


def _say_done(done: dict[UUID, bool], *, as_json: bool) -> None:
    if as_json:
        say_json([{"person": client_of(each), "is_new": fresh} for each, fresh in done.items()])
        return
    for person_id, is_fresh in done.items():
        state = "is forgotten" if is_fresh else "was forgotten already"
        say(f"{client_of(person_id)} {state}")
    if not done:
        say("the log calls nobody forgotten")
