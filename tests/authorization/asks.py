"""How each route is asked: for an object of the owner's, with a body that the owner could send.

A route that is not here is asked with ids of nothing, and an empty object for its body.
"""

import re
from typing import Any
from uuid import uuid4

from tests.authorization.ask import Ask, Make, keyed
from tests.authorization.asks_people import PEOPLE_ASKS
from tests.authorization.asks_webhooks import WEBHOOKS_ASKS
from tests.authorization.house import SHOP, House, client_of


async def a_payment(house: House) -> dict[str, Any]:
    return {
        "from_handle": house.payer,
        "to_handle": "somebody-else",
        "amount": 1,
        "currency": "USD",
        "payment_type": "WALLET",
    }


async def post_payment(house: House) -> Ask:
    return keyed("/payments", await a_payment(house))


async def post_bulk(house: House) -> Ask:
    item = await a_payment(house) | {"idempotency_key": str(uuid4())}
    return Ask("/payments/bulk", {"payments": [item]})


async def posted_payment(house: House) -> str:
    payment_id = uuid4()
    await house.execute(
        "INSERT INTO payments (payment_id, client_id, accepted_at, requested_at, posted_at,"
        " posting_id, amount_minor, currency, payment_type, from_handle, to_handle, fingerprint)"
        " VALUES ($1, $2, now(), now(), now(), $1, 1, 'USD', 'WALLET', 'a', 'b', $3)",
        payment_id,
        client_of(house.owner),
        "0" * 64,
    )
    return f"/payments/{payment_id}"


async def get_payment(house: House) -> Ask:
    return Ask(await posted_payment(house))


async def get_payment_events(house: House) -> Ask:
    return Ask(f"{await posted_payment(house)}/events")


async def post_account(_: House) -> Ask:
    return keyed("/accounts", {"currency": "USD"}, prefer="wait=10")


async def get_account(house: House) -> Ask:
    return Ask(f"/accounts/{house.account_id}")


async def get_entries(house: House) -> Ask:
    return Ask(f"/accounts/{house.account_id}/entries")


async def resolve(house: House) -> Ask:
    return Ask(f"/handles/resolve?handle={house.payer}")


async def post_handle(house: House) -> Ask:
    body = {"handle": f"h{uuid4().hex[:20]}", "account_id": house.account_id, "display_name": "Ann"}
    return keyed("/handles", body, prefer="wait=10")


async def port_handle(house: House) -> Ask:
    path = f"/handles/{await house.handle()}/port"
    return keyed(path, {"account_id": house.second_account_id}, prefer="wait=10")


async def delete_handle(house: House) -> Ask:
    return keyed(f"/handles/{await house.handle()}", prefer="wait=10")


async def get_history(house: House) -> Ask:
    return Ask(f"/handles/{house.payer}/history")


async def get_handle_request(house: House) -> Ask:
    return Ask(f"/handles/requests/{(await house.claim())['request_id']}")


async def get_payers(house: House) -> Ask:
    return Ask(f"/handles/{house.payer}/payers")


async def put_payer(house: House) -> Ask:
    return Ask(f"/handles/{house.payer}/payers/{SHOP}")


async def delete_payer(house: House) -> Ask:
    await house.execute(
        "INSERT INTO payer_grants (client_id, handle, owner_client_id) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING",
        *(SHOP, house.payer, client_of(house.owner)),
    )
    return Ask(f"/handles/{house.payer}/payers/{SHOP}")


async def delete_session(house: House) -> Ask:
    session_id = uuid4()
    await house.execute(
        "INSERT INTO auth_users (user_id, registered_at) VALUES ($1, now()) ON CONFLICT DO NOTHING",
        house.owner,
    )
    await house.execute(
        "INSERT INTO auth_sessions"
        " (session_id, user_id, with_totp, started_at, refreshed_at, expires_at)"
        " VALUES ($1, $2, false, now(), now(), now() + interval '1 day')",
        *(session_id, house.owner),
    )
    return Ask(f"/auth/sessions/{session_id}")


def _program_name() -> str:
    return f"p{uuid4().hex[:20]}"


async def a_program(house: House) -> str:
    client_id = f"client:{_program_name()}"
    await house.execute(
        "INSERT INTO auth_clients (client_id, scopes, created_at)"
        " VALUES ($1, '{payments:read}', now())",
        client_id,
    )
    return client_id


async def post_client(_: House) -> Ask:
    return Ask("/auth/clients", {"name": _program_name(), "scopes": ["payments:read"]})


async def delete_client(house: House) -> Ask:
    return Ask(f"/auth/clients/{await a_program(house)}")


async def post_credential(house: House) -> Ask:
    path = f"/auth/clients/{await a_program(house)}/credentials"
    return Ask(path, {"kind": "api_key", "scopes": ["payments:read"]})


async def delete_credential(house: House) -> Ask:
    path = f"/auth/clients/{await a_program(house)}/credentials"
    body = {"kind": "api_key", "scopes": ["payments:read"]}
    made = await house.own("auth", "POST", path, body, persona="admin")
    return Ask(f"{path}/{made['credential_id']}")


async def get_credentials(house: House) -> Ask:
    return Ask(f"/auth/clients/{await a_program(house)}/credentials")


async def post_device(_: House) -> Ask:
    return Ask("/devices", {"platform": "fcm", "token": uuid4().hex})


async def delete_device(house: House) -> Ask:
    device_id = uuid4()
    await house.execute(
        "INSERT INTO notification_devices"
        " (device_id, person_id, platform, token_sealed, token_index, registered_at)"
        " VALUES ($1, $2, 'fcm', 'sealed', $3, now())",
        *(device_id, house.owner, uuid4().hex * 2),
    )
    return Ask(f"/devices/{device_id}")


async def get_notification_events(_: House) -> Ask:
    return Ask("/notifications/events", headers={"prefer": "wait=0"})


async def post_read(_: House) -> Ask:
    return Ask("/notifications/read", {"up_to": 0})


async def post_read_one(house: House) -> Ask:
    notification_id = uuid4()
    await house.execute(
        "INSERT INTO notifications (notification_id, client_id, person_id, subject, event_id,"
        " rank, count, occurred_at, planned_at, number, is_shown)"
        " VALUES ($1, $2, $3, 'signed-in', $1, 0, 1, now(), now(), 1, true)",
        *(notification_id, client_of(house.owner), house.owner),
    )
    return Ask(f"/notifications/{notification_id}/read")


ASKS: dict[str, Make] = {
    "POST /payments": post_payment,
    "POST /payments/bulk": post_bulk,
    "GET /payments/{payment_id}": get_payment,
    "GET /payments/{payment_id}/events": get_payment_events,
    "POST /accounts": post_account,
    "GET /accounts/{account_id}": get_account,
    "GET /accounts/{account_id}/entries": get_entries,
    "GET /handles/resolve": resolve,
    "POST /handles": post_handle,
    "POST /handles/{handle}/port": port_handle,
    "DELETE /handles/{handle}": delete_handle,
    "GET /handles/{handle}/history": get_history,
    "GET /handles/requests/{request_id}": get_handle_request,
    "GET /handles/{handle}/payers": get_payers,
    "PUT /handles/{handle}/payers/{program_id}": put_payer,
    "DELETE /handles/{handle}/payers/{program_id}": delete_payer,
    "DELETE /auth/sessions/{session_id}": delete_session,
    "POST /auth/clients": post_client,
    "DELETE /auth/clients/{client_id}": delete_client,
    "POST /auth/clients/{client_id}/credentials": post_credential,
    "GET /auth/clients/{client_id}/credentials": get_credentials,
    "DELETE /auth/clients/{client_id}/credentials/{credential_id}": delete_credential,
    "POST /devices": post_device,
    "DELETE /devices/{device_id}": delete_device,
    "GET /notifications/events": get_notification_events,
    "POST /notifications/read": post_read,
    "POST /notifications/{notification_id}/read": post_read_one,
    **PEOPLE_ASKS,
    **WEBHOOKS_ASKS,
}


async def ask_for(house: House, route: str) -> Ask:
    """The request for a route."""
    make = ASKS.get(route)
    if make is not None:
        return await make(house)
    method, _, path = route.partition(" ")
    path = re.sub(r"\{client_id\}", "client:nobody", path)
    path = re.sub(r"\{kind\}", "email", path)
    path = re.sub(r"\{\w+\}", lambda _: str(uuid4()), path)
    return Ask(path, None if method in {"GET", "HEAD", "DELETE"} else {})
