"""What a person's endpoint keeps in words opens by the person's key alone, and ends with it."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from domain.client import client_of, person_of
from domain.errors import Invalid
from domain.webhook import DESCRIPTION_PURPOSE, REPLY_PURPOSE, SECRET_PURPOSE, URL_PURPOSE
from producers.webhooks.app import make_app
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http.caller import Caller, Kind
from runtime.settings import Settings
from runtime.standard_webhooks import Verifier
from runtime.vault import Forgotten, connect_vault
from runtime.webhook_words import Word, Words
from tests.producers.webhook_delivery.place import Place, settle
from tests.producers.webhooks.conftest import Webhooks
from tests.producers.webhooks.test_again import listed
from tests.support.asgi import running
from tests.support.databases import create_migrated_database
from tests.support.sink import Received, Say, open_sink
from titan.servers import Endpoints

pytestmark = pytest.mark.real

WORDS = """
    SELECT $2::text, endpoint_id, url_sealed FROM webhook_endpoints WHERE endpoint_id = $1
    UNION ALL SELECT $3::text, endpoint_id, description_sealed FROM webhook_endpoints
    WHERE endpoint_id = $1
    UNION ALL SELECT $4::text, endpoint_id, sealed FROM webhook_secrets WHERE endpoint_id = $1
    UNION ALL SELECT $5::text, delivery_id, reply_sealed FROM webhook_attempts
    JOIN webhook_deliveries USING (delivery_id) WHERE endpoint_id = $1
"""
PURPOSES = (URL_PURPOSE, DESCRIPTION_PURPOSE, SECRET_PURPOSE, REPLY_PURPOSE)


def thanks(_: Received) -> Say:
    return Say(200, body=b"thanks")


async def person(request: Request) -> Caller:
    client_id = request.headers["test-client"]
    return Caller(client_id, Kind.PERSON, person_of(client_id))


@pytest.fixture
async def place(settings: Settings, endpoints: Endpoints) -> AsyncIterator[Place]:
    """A database of the test's own: it holds keys that lie in the test's folder."""
    assert settings.postgres_dsn is not None
    name = urlsplit(settings.postgres_dsn.get_secret_value()).path.removeprefix("/")
    dsn = await create_migrated_database(
        endpoints.postgres_dsn, run=name.split("_")[0], name=f"{name}_{uuid4().hex[:8]}"
    )
    own = settings.model_copy(update={"postgres_dsn": SecretStr(dsn)})
    database = await Database.connect(dsn, name="tests")
    yield Place(own, database)
    await database.close()


@pytest.fixture
async def ada(place: Place) -> AsyncIterator[Webhooks]:
    async with running(make_app(place.settings, authenticator=person)) as app:
        yield Webhooks(app, client_of(uuid4()))


async def kept_of(place: Place, endpoint_id: str) -> list[Word]:
    async with place.database.connection() as connection:
        rows = await connection.fetch(WORDS, UUID(endpoint_id), *PURPOSES)
    return [Word(*row) for row in rows]


async def told_at(place: Place, ada: Webhooks, url: str) -> dict[str, Any]:
    made = await ada.make(url=url, description="my till")
    await place.tell(ada.client_id)
    async with place.pool() as pool:
        await settle(pool)
    return made


async def test_all_of_it_is_the_persons_own(place: Place, ada: Webhooks) -> None:
    async with open_sink(thanks) as sink:
        made = await told_at(place, ada, sink.url())
        [delivery] = await listed(ada)
        shown = await ada.ask("GET", f"/webhooks/deliveries/{delivery['id']}")
        path = f"/webhooks/endpoints/{made['endpoint_id']}"
        patched = await ada.ask("PATCH", path, {"description": "our till"}, if_match="*")
        rotated = await ada.ask("POST", f"{path}/secret", {})
        url = sink.url()

    assert sink.received[0].signed_by(made["secret"])
    Verifier(rotated.document["secret"])
    assert [each["reply"] for each in shown.document["attempt_list"]] == ["thanks"]
    assert (patched.document["url"], patched.document["description"]) == (url, "our till")
    kept = await kept_of(place, made["endpoint_id"])
    assert {each.purpose for each in kept} == set(PURPOSES)
    for word in kept:
        with pytest.raises(Invalid):
            place.vault.open(word.text, f"{word.purpose}:{word.row}")


async def test_a_copy_of_the_rows_opens_no_more_once_the_person_is_forgotten(
    place: Place, ada: Webhooks
) -> None:
    async with open_sink(thanks) as sink:
        made = await told_at(place, ada, sink.url())
    copy = await kept_of(place, made["endpoint_id"])
    vault = await connect_vault(place.settings, name="tests", clock=SystemClock())
    words = Words(vault, ada.client_id)
    assert (await words.open(copy))[1] == "my till"
    with pytest.raises(Invalid):
        await Words(vault, client_of(uuid4())).open(copy[:1])

    person_id = person_of(ada.client_id)
    assert person_id is not None
    async with place.database.connection() as connection, connection.transaction():
        await vault.forget(connection, person_id)

    assert await kept_of(place, made["endpoint_id"]) == []
    for word in copy:
        with pytest.raises(Forgotten):
            await words.open([word])
    with pytest.raises(Forgotten):
        await words.seal([Word(URL_PURPOSE, uuid4(), "https://example.com")])
    await vault.close()
