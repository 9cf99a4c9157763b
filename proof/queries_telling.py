"""The SQL of a proof about webhooks and notifications; widths and arguments as in proof/queries.py.

Of an endpoint neither its URL nor a secret is read: the role of a proof has no right to them.
"""

from typing import Final

_NO_ID: Final = "'00000000-0000-0000-0000-000000000000'::uuid"
_SINCE: Final = "to_timestamp($1::float8)"

ENDPOINTS: Final = """
    SELECT endpoint_id, client_id, event_types, created_at,
           disabled_at IS NULL AND version = 1 AS is_as_made
    FROM webhook_endpoints"""

TEST_EVENT: Final = "webhook.test.v1"

DELIVERIES: Final = f"""
    SELECT event_id, delivery_id, endpoint_id, created_at,
           (event_type = '{TEST_EVENT}')::int::int2
    FROM webhook_deliveries WHERE created_at >= {_SINCE}"""  # noqa: S608 - own words only

DELIVERIES_NAMED: Final = (
    "SELECT delivery_id FROM webhook_deliveries WHERE delivery_id = ANY($1::uuid[])"
)

STRAYS: Final = "SELECT event_id, strayed_at FROM webhook_strays"

# What the server itself can see wrong of single rows. `$2` is the age in seconds.
WRONG_DELIVERIES: Final = f"""
    WITH noted AS (
        SELECT delivery_id, count(*) AS made, max(attempt) AS last,
               bool_or(outcome = 'delivered') AS was_delivered
        FROM webhook_attempts GROUP BY delivery_id
    ), judged AS (
        SELECT subject, delivery.delivery_id, endpoint_id, CASE
            WHEN state = 'delivered' AND was_delivered IS NOT TRUE
                THEN 'is said to be delivered, and no attempt says so'
            WHEN state = 'dead' AND last_outcome IS DISTINCT FROM 'endpoint_disabled'
                 AND (tries < 8 OR made IS NULL OR made < 8)
                THEN 'was given up after ' || COALESCE(made, 0) || ' attempts'
            WHEN last > delivery.attempts THEN 'has an attempt that nobody has begun'
            WHEN (state IN ('delivered', 'dead')) <> (finished_at IS NOT NULL)
                THEN 'is ' || state || ', and its end says otherwise'
            WHEN state = 'waiting' AND delivery.created_at < now() - make_interval(secs => $2 + 300)
                 AND NOT EXISTS (
                     SELECT FROM webhook_deliveries AS earlier
                     WHERE earlier.endpoint_id = delivery.endpoint_id
                       AND earlier.subject = delivery.subject AND earlier.rank < delivery.rank
                       AND earlier.state IN ('waiting', 'pending'))
                THEN 'waits for its turn, and nothing is before it'
            WHEN state = 'pending' AND due_at < now() - make_interval(secs => $2)
                 AND disabled_at IS NULL AND rest_until < now() - make_interval(secs => $2)
                 AND served_at < now() - make_interval(secs => $2)
                THEN 'is due since ' || due_at || ', and its endpoint is left alone'
        END AS what
        FROM webhook_deliveries AS delivery JOIN webhook_endpoints USING (endpoint_id)
        LEFT JOIN noted USING (delivery_id)
        WHERE delivery.created_at >= {_SINCE} OR state IN ('waiting', 'pending')
    )
    SELECT subject, delivery_id, endpoint_id, what FROM judged WHERE what IS NOT NULL
    ORDER BY delivery_id LIMIT 1000"""  # noqa: S608 - own words only

DELIVERY_COUNT: Final = f"SELECT count(*) FROM webhook_deliveries WHERE created_at >= {_SINCE}"  # noqa: S608 - own words only

PAYMENT_SUBJECTS: Final = ("payment-sent", "payment-received", "payment-refused")
"""What notifications are about that many become one of; a subject's number is its place, from 1."""

NOTICES: Final = f"""
    SELECT event_id, COALESCE(account_id, {_NO_ID}), notification_id,
           substring(convert_to(rpad(client_id, 48), 'UTF8') FOR 48),
           COALESCE(array_position($2::text[], subject), 0)::int2,
           (payment_id IS NULL AND subject = ANY($2::text[]))::int::int2, count::bigint, planned_at
    FROM notifications WHERE planned_at >= {_SINCE}"""  # noqa: S608 - own words only

# Pushes and letters; `$1` is an age in seconds beyond which nothing pointless is kept waiting.
WRONG_CARRIED: Final = """
    SELECT payment_id, delivery_id, what FROM (
        SELECT later.payment_id, later.delivery_id, 'was sent before what comes first' AS what
        FROM notification_deliveries AS earlier JOIN notification_deliveries AS later
          ON later.payment_id = earlier.payment_id AND later.person_id = earlier.person_id
          AND later.channel = earlier.channel
          AND later.device_id IS NOT DISTINCT FROM earlier.device_id
        WHERE earlier.state = 'waiting' AND earlier.rank < later.rank AND later.state = 'sent'
        UNION ALL
        SELECT payment_id, delivery_id, 'is pointless since ' || expires_at || ', and still waits'
        FROM notification_deliveries
        WHERE state = 'waiting' AND expires_at < now() - make_interval(secs => $1)
    ) AS wrong
    ORDER BY delivery_id LIMIT 1000"""

# Who is told of payments on their account. Who has chosen may have chosen not to be; a person
# without a row was never told anything, or was forgotten.
HOLDERS: Final = """
    SELECT account_id,
           (kind = 'wallet' AND account.client_id NOT LIKE 'client:%'
            AND CASE WHEN recipient.client_id IS NULL THEN account.client_id NOT LIKE 'user:%'
                     ELSE choices = '{}' END)::int::int2
    FROM accounts AS account LEFT JOIN notification_recipients AS recipient USING (client_id)"""

# Of a payment between a person's own accounts they are told once.
SHARED: Final = """
    SELECT account_id, dense_rank() OVER (ORDER BY client_id) FROM accounts
    WHERE client_id IN (
        SELECT client_id FROM accounts WHERE client_id LIKE 'user:%'
        GROUP BY client_id HAVING count(*) > 1
    )"""
