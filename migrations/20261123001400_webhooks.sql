-- migrate:up

-- Where clients want to be told; their words are sealed. `failures` and what follows is how the endpoint has fared; it
-- changes with each batch of attempts, `version` only with what its owner sees and may change.
CREATE TABLE webhook_endpoints (
    endpoint_id       uuid PRIMARY KEY,
    client_id         text COLLATE "C" NOT NULL,
    person_id         uuid,
    version           integer     NOT NULL DEFAULT 1,
    url_sealed         text       NOT NULL,
    description_sealed text,
    event_types       text[]      NOT NULL,
    is_ordered        boolean     NOT NULL,
    rate_per_s        integer     CHECK (rate_per_s >= 1),
    created_at        timestamptz NOT NULL,
    disabled_at       timestamptz,
    disabled_reason   text,
    failures          integer     NOT NULL DEFAULT 0,
    failing_since     timestamptz,
    rest_until        timestamptz NOT NULL DEFAULT '-infinity',
    rate_used_until   timestamptz NOT NULL DEFAULT '-infinity',
    served_at         timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
CREATE INDEX webhook_endpoints_by_client
    ON webhook_endpoints (client_id, created_at, endpoint_id);
CREATE INDEX webhook_endpoints_by_person ON webhook_endpoints (person_id);

-- What messages are signed with: sealed, and during a rotation two of them.
CREATE TABLE webhook_secrets (
    secret_id   uuid PRIMARY KEY,
    endpoint_id uuid        NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    sealed      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL DEFAULT 'infinity'
);
CREATE INDEX webhook_secrets_by_endpoint ON webhook_secrets (endpoint_id, created_at);

-- Events of clients that have an endpoint, as they are told: the bytes that are signed. One whose
-- owner is not known yet waits in webhook_strays. `subject` is the payment or request it is about;
-- `rank` its place in a payment's life, NULL where there is no order.
CREATE TABLE webhook_events (
    event_id     uuid PRIMARY KEY,
    client_id    text COLLATE "C" NOT NULL,
    event_type   text COLLATE "C" NOT NULL,
    subject      uuid        NOT NULL,
    rank         smallint,
    started_at   timestamptz NOT NULL,
    occurred_at  timestamptz NOT NULL,
    topic        text,
    partition    integer,
    "offset"     bigint,
    body         text        NOT NULL
);
CREATE INDEX webhook_events_by_client ON webhook_events (client_id, occurred_at, event_id);
CREATE INDEX webhook_events_by_subject ON webhook_events (subject, rank);
CREATE INDEX webhook_events_by_age ON webhook_events (occurred_at);

CREATE TABLE webhook_strays (
    event_id     uuid PRIMARY KEY,
    event_type   text        NOT NULL,
    subject      uuid        NOT NULL,
    rank         smallint,
    started_at   timestamptz NOT NULL,
    occurred_at  timestamptz NOT NULL,
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    body         text        NOT NULL,
    strayed_at   timestamptz NOT NULL
);
CREATE INDEX webhook_strays_by_age ON webhook_strays (strayed_at);

-- Whose requests about accounts are: their refusal does not say it.
CREATE TABLE webhook_owners (
    subject    uuid PRIMARY KEY,
    client_id  text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL
);
CREATE INDEX webhook_owners_by_age ON webhook_owners (started_at);

-- One row an event and endpoint, for ever under the same id. `due_at` is when a pending one may be
-- sent; whoever sends it moves that on first, past the longest attempt, so that its death is
-- followed by another attempt. `attempts` counts all of them and fences what their senders write;
-- `tries` counts those since the delivery was last begun anew.
CREATE TABLE webhook_deliveries (
    delivery_id  uuid PRIMARY KEY,
    endpoint_id  uuid        NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    event_id     uuid        NOT NULL,
    client_id    text COLLATE "C" NOT NULL,
    event_type   text COLLATE "C" NOT NULL,
    subject      uuid        NOT NULL,
    rank         smallint,
    state        text        NOT NULL
                 CHECK (state IN ('waiting', 'pending', 'delivered', 'dead')),
    due_at       timestamptz NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    tries        smallint    NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    last_outcome text
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_unfinished ON webhook_deliveries (endpoint_id, subject, rank)
    WHERE state IN ('waiting', 'pending');
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (created_at)
    WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (endpoint_id, delivery_id)
    WHERE state = 'dead';
CREATE INDEX webhook_deliveries_by_client
    ON webhook_deliveries (client_id, created_at, delivery_id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);

CREATE TABLE webhook_attempts (
    delivery_id  uuid        NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    attempt      integer     NOT NULL,
    started_at   timestamptz NOT NULL,
    latency_ms   integer     NOT NULL,
    outcome      text        NOT NULL,
    status       smallint,
    reply_sealed text,
    PRIMARY KEY (delivery_id, attempt)
);

-- What an owner wants sent again: events of theirs to one endpoint, in the order of their times.
CREATE TABLE webhook_replays (
    replay_id      uuid PRIMARY KEY,
    endpoint_id    uuid        NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    client_id      text COLLATE "C" NOT NULL,
    is_recovery    boolean     NOT NULL,
    event_types    text[]      NOT NULL,
    subject        uuid,
    since          timestamptz NOT NULL,
    until          timestamptz NOT NULL,
    from_topic     text,
    from_partition integer,
    from_offset    bigint,
    events         bigint      NOT NULL,
    events_done    bigint      NOT NULL DEFAULT 0,
    at_time        timestamptz,
    at_event       uuid,
    created_at     timestamptz NOT NULL,
    finished_at    timestamptz
);
CREATE INDEX webhook_replays_running ON webhook_replays (endpoint_id) WHERE finished_at IS NULL;
CREATE INDEX webhook_replays_by_client ON webhook_replays (client_id, created_at, replay_id);

-- Lets go of deliveries of ordered endpoints whose turn has come: their payment's request is known
-- here, and no earlier event of the payment is still to be told at their endpoint. `subjects` NULL
-- looks at all that wait. The request of a payment that began before the endpoint is not waited
-- for; nor is one that has not come in a delivery's time since `forgone`: a record that nobody can
-- understand must not hold up the rest for ever.
CREATE FUNCTION webhook_release(subjects uuid[], now timestamptz, forgone timestamptz)
RETURNS integer LANGUAGE sql AS $$
    WITH released AS (
        UPDATE webhook_deliveries AS d SET state = 'pending', due_at = now
        FROM webhook_events AS e, webhook_endpoints AS p
        WHERE d.state = 'waiting'
          AND (subjects IS NULL OR d.subject = ANY(subjects))
          AND e.event_id = d.event_id AND p.endpoint_id = d.endpoint_id
          AND (NOT p.is_ordered OR NOT EXISTS (
              SELECT FROM webhook_deliveries AS earlier
              WHERE earlier.endpoint_id = d.endpoint_id AND earlier.subject = d.subject
                AND earlier.state IN ('waiting', 'pending') AND earlier.rank < d.rank
          ))
          AND (
              d.rank = 0 OR d.created_at < forgone OR e.started_at < p.created_at
              OR EXISTS (
                  SELECT FROM webhook_events AS first
                  WHERE first.subject = d.subject AND first.rank = 0
              )
          )
        RETURNING 1
    )
    SELECT count(*)::integer FROM released
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints, webhook_secrets, webhook_events,
    webhook_strays, webhook_owners, webhook_deliveries, webhook_attempts, webhook_replays
    TO titan_app;

-- Forgetting a person ends what they asked for, with all that was to be sent; what was told of
-- them is in webhook_events, under the same 90 days as the log's own keeping.
SELECT titan_keys.declare_trace('webhook_endpoints', 'person_id', NULL);

-- migrate:down
DELETE FROM titan_keys.traces WHERE relation = 'webhook_endpoints';
DROP FUNCTION webhook_release(uuid[], timestamptz, timestamptz);
DROP TABLE webhook_replays;
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_owners;
DROP TABLE webhook_strays;
DROP TABLE webhook_events;
DROP TABLE webhook_secrets;
DROP TABLE webhook_endpoints;
