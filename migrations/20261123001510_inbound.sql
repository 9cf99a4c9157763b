-- migrate:up

-- What providers told us, by their ids: so that what they tell again has no effect. What they said
-- is in the log. A claim keeps two processes from publishing one message side by side; it lapses,
-- so that a message is published although the process that claimed it was killed.
CREATE TABLE inbound_receipts (
    request_id   uuid PRIMARY KEY,
    provider     text        NOT NULL,
    body_sha256  text        NOT NULL,
    received_at  timestamptz NOT NULL,
    claim        uuid        NOT NULL,
    claimed_at   timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX inbound_receipts_by_age ON inbound_receipts (received_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON inbound_receipts TO titan_app;

-- migrate:down

DROP TABLE inbound_receipts;
