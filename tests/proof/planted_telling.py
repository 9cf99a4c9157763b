"""What may be wrong with rows that say who was told of what; `planted_rows` has the others."""

from proof.findings import Check
from tests.proof.planted_rows import NEW_ID, POSTED

# What was told of a payment that was posted: as an event, and to the one who was paid.
TOLD = f"subject = {POSTED} AND event_type = 'payment.posted.v1'"
TOLD_DELIVERY = f"SELECT delivery_id FROM webhook_deliveries WHERE {TOLD}"
NOTICE = f"payment_id = {POSTED} AND subject = 'payment-received'"


def carried(state: str, rank: int, *, expires: str = "now() + interval '1 hour'") -> list[str]:
    """A push about the payment, to the one who was paid, at one device of theirs."""
    ended = "NULL" if state == "waiting" else "now()"
    return [
        (
            "INSERT INTO notification_deliveries (delivery_id, notification_id, person_id, channel,"
            " device_id, payment_id, rank, planned_at, due_at, expires_at, state, ended_at)"
            f" SELECT gen_random_uuid(), notification_id, {NEW_ID}, 'apns', {NEW_ID}, payment_id,"
            f" {rank}, now(), now(), {expires}, '{state}', {ended}"
            f" FROM notifications WHERE {NOTICE}"
        )
    ]


PLANTED_TELLING: list[tuple[Check, str, list[str]]] = [
    (
        Check.WEBHOOKS,
        "has no delivery to",
        [f"DELETE FROM webhook_deliveries WHERE {TOLD}"],
    ),
    (
        Check.WEBHOOKS,
        "under another id",
        [
            f"DELETE FROM webhook_attempts WHERE delivery_id IN ({TOLD_DELIVERY})",
            f"UPDATE webhook_deliveries SET delivery_id = {NEW_ID} WHERE {TOLD}",
        ],
    ),
    (
        Check.WEBHOOKS,
        "is of no event of its client",
        [f"UPDATE webhook_deliveries SET event_id = {NEW_ID} WHERE {TOLD}"],
    ),
    (
        Check.WEBHOOKS,
        "kept as nobody's",
        [
            f"DELETE FROM webhook_deliveries WHERE {TOLD}",
            (
                "INSERT INTO webhook_strays SELECT event_id, event_type, subject, rank, started_at,"
                " occurred_at, topic, partition, \"offset\", body, now() - interval '1 hour'"
                f" FROM webhook_events WHERE {TOLD}"
            ),
        ],
    ),
    (
        Check.DELIVERIES,
        "no attempt says so",
        [f"DELETE FROM webhook_attempts WHERE delivery_id IN ({TOLD_DELIVERY})"],
    ),
    (
        Check.DELIVERIES,
        "given up after 1 attempts",
        [f"UPDATE webhook_deliveries SET state = 'dead' WHERE {TOLD}"],
    ),
    (
        Check.DELIVERIES,
        "nobody has begun",
        [f"UPDATE webhook_attempts SET attempt = 2 WHERE delivery_id IN ({TOLD_DELIVERY})"],
    ),
    (
        Check.DELIVERIES,
        "its end says otherwise",
        [f"UPDATE webhook_deliveries SET finished_at = NULL WHERE {TOLD}"],
    ),
    (
        Check.DELIVERIES,
        "nothing is before it",
        [
            (
                "UPDATE webhook_deliveries SET state = 'waiting', finished_at = NULL,"
                f" created_at = now() - interval '1 hour' WHERE {TOLD}"
            )
        ],
    ),
    (
        Check.DELIVERIES,
        "its endpoint is left alone",
        [
            (
                "UPDATE webhook_deliveries SET state = 'pending', finished_at = NULL,"
                f" due_at = now() - interval '1 hour' WHERE {TOLD}"
            ),
            "UPDATE webhook_endpoints SET served_at = '-infinity'",
        ],
    ),
    (
        Check.NOTICES,
        "payment-received are 8, of 9 events",
        [f"DELETE FROM notifications WHERE {NOTICE}"],
    ),
    (
        Check.NOTICES,
        "payment-received are 10, of 9 events",
        [f"UPDATE notifications SET count = 2 WHERE {NOTICE}"],
    ),
    (
        Check.NOTICES,
        "has an id that is not the event's",
        [f"UPDATE notifications SET notification_id = {NEW_ID} WHERE {NOTICE}"],
    ),
    (
        Check.NOTICES,
        "has no such event in the log",
        [f"UPDATE notifications SET event_id = {NEW_ID} WHERE {NOTICE}"],
    ),
    (
        Check.NOTICES,
        "refusals that no event says",
        ["UPDATE notifications SET count = 9 WHERE subject = 'payment-refused'"],
    ),
    (
        Check.NOTICES,
        "was sent before what comes first",
        [*carried("waiting", 1), *carried("sent", 3)],
    ),
    (
        Check.NOTICES,
        "is pointless since",
        carried("waiting", 3, expires="now() - interval '1 hour'"),
    ),
    (
        Check.OFFSETS,
        "notifications has committed past event",
        ["DELETE FROM inbox WHERE step = 'notifications'"],
    ),
]
