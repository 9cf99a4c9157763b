"""The edge of webhooks: an endpoint of the owner's, and what was told to it."""

from typing import Any
from uuid import uuid4

from tests.authorization.ask import Ask, Make
from tests.authorization.house import House, client_of

ENDPOINTS = "/webhooks/endpoints"
NEW = {"url": "https://hooks.example.com/told"}
ANY_VERSION = {"if-match": "*"}


async def an_endpoint(house: House) -> str:
    """The path of an endpoint of the owner's, kept for all who ask for one."""
    if "endpoint" not in house.kept:
        made = await house.own("webhooks", "POST", ENDPOINTS, NEW)
        house.kept["endpoint"] = f"{ENDPOINTS}/{made['endpoint_id']}"
    return house.kept["endpoint"]


def of_endpoint(suffix: str = "", body: Any = None, headers: dict[str, str] | None = None) -> Make:
    async def make(house: House) -> Ask:
        return Ask(f"{await an_endpoint(house)}{suffix}", body, headers or {})

    return make


async def post_endpoint(_: House) -> Ask:
    return Ask(ENDPOINTS, NEW)


async def delete_endpoint(house: House) -> Ask:
    made = await house.own("webhooks", "POST", ENDPOINTS, NEW)
    return Ask(f"{ENDPOINTS}/{made['endpoint_id']}", headers=ANY_VERSION)


def of_running(suffix: str) -> Make:
    """A replay or a recovery; only so many run at once, so those before are over."""

    async def make(house: House) -> Ask:
        await house.execute("UPDATE webhook_replays SET finished_at = now()")
        return Ask(f"{await an_endpoint(house)}{suffix}", {})

    return make


async def get_replay(house: House) -> Ask:
    replay_id = uuid4()
    path = await an_endpoint(house)
    await house.execute(
        "INSERT INTO webhook_replays (replay_id, endpoint_id, client_id, is_recovery, event_types,"
        " since, until, events, created_at, finished_at)"
        " VALUES ($1, $2, $3, false, '{}', now(), now(), 0, now(), now())",
        *(replay_id, path.removeprefix(f"{ENDPOINTS}/"), client_of(house.owner)),
    )
    return Ask(f"/webhooks/replays/{replay_id}")


def of_delivery(suffix: str = "") -> Make:
    """A delivery that nobody took, and that can be tried again."""

    async def make(house: House) -> Ask:
        delivery_id, event_id = uuid4(), uuid4()
        path = await an_endpoint(house)
        await house.execute(
            "INSERT INTO webhook_events (event_id, client_id, event_type, subject, rank,"
            ' started_at, occurred_at, topic, partition, "offset", body)'
            " VALUES ($1, $2, 'payment.posted', $1, 1, now(), now(), 'any.v1', 0, 0, '')",
            *(event_id, client_of(house.owner)),
        )
        await house.execute(
            "INSERT INTO webhook_deliveries (delivery_id, endpoint_id, event_id, client_id,"
            " event_type, subject, state, due_at, created_at, finished_at)"
            " VALUES ($1, $2, $3, $4, 'payment.posted', $3, 'dead', now(), now(), now())",
            *(delivery_id, path.removeprefix(f"{ENDPOINTS}/"), event_id, client_of(house.owner)),
        )
        return Ask(f"/webhooks/deliveries/{delivery_id}{suffix}")

    return make


WEBHOOKS_ASKS: dict[str, Make] = {
    "POST /webhooks/endpoints": post_endpoint,
    "GET /webhooks/endpoints/{endpoint_id}": of_endpoint(),
    "PATCH /webhooks/endpoints/{endpoint_id}": of_endpoint("", {"rate_per_s": 9}, ANY_VERSION),
    "DELETE /webhooks/endpoints/{endpoint_id}": delete_endpoint,
    "POST /webhooks/endpoints/{endpoint_id}/enable": of_endpoint("/enable"),
    "POST /webhooks/endpoints/{endpoint_id}/secret": of_endpoint("/secret", {}),
    "POST /webhooks/endpoints/{endpoint_id}/test": of_endpoint("/test"),
    "POST /webhooks/endpoints/{endpoint_id}/replay": of_running("/replay"),
    "POST /webhooks/endpoints/{endpoint_id}/recover": of_running("/recover"),
    "GET /webhooks/replays/{replay_id}": get_replay,
    "GET /webhooks/deliveries/{delivery_id}": of_delivery(),
    "POST /webhooks/deliveries/{delivery_id}/retry": of_delivery("/retry"),
}
