-- migrate:up

-- Events of edges whose effect is a row here, not a request on the log: written in the effect's
-- transaction, published after it, deleted once the broker has acknowledged them.
CREATE TABLE outbox (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane       smallint    NOT NULL,
    topic      text        NOT NULL,
    key        bytea       NOT NULL,
    value      bytea       NOT NULL,
    headers    jsonb       NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_by_lane ON outbox (lane, position);

-- One key is always in one lane, and whoever publishes a lane has locked its row: so several
-- processes share the work, and events of one key keep their order.
CREATE TABLE outbox_lanes (
    lane smallint PRIMARY KEY
);
INSERT INTO outbox_lanes (lane) SELECT generate_series(0, 7);

GRANT SELECT, INSERT, DELETE ON outbox TO titan_app;
GRANT SELECT, UPDATE ON outbox_lanes TO titan_app;

-- migrate:down
DROP TABLE outbox_lanes;
DROP TABLE outbox;
