-- migrate:up

-- Which programs may pay from whose handles. A grant is its owner's: should the handle go to
-- somebody else, it says nothing any more.
CREATE TABLE payer_grants (
    client_id       text COLLATE "C" NOT NULL,
    handle          text COLLATE "C" NOT NULL,
    owner_client_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (client_id, handle, owner_client_id)
);
CREATE INDEX payer_grants_by_handle ON payer_grants (handle, owner_client_id);

-- What is left of each caller's allowance of look-ups. Here and not in the cache, which may be
-- erased at any time: an erased cache must not let anybody begin anew.
CREATE TABLE lookup_buckets (
    client_id      text COLLATE "C" PRIMARY KEY,
    tokens_milli   bigint NOT NULL,
    filled_at      timestamptz NOT NULL,
    credited_until timestamptz NOT NULL,
    CONSTRAINT lookup_buckets_are_never_overdrawn CHECK (tokens_milli >= 0)
);

-- What staff has done, one row an act, in the transaction of its effect. Nobody edits it.
CREATE TABLE audit_acts (
    act_id        uuid PRIMARY KEY,
    acted_at      timestamptz NOT NULL,
    actor         text NOT NULL,
    session_id    uuid,
    action        text NOT NULL CHECK (action ~ '^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$'),
    object        text NOT NULL,
    reason_sealed text,
    request_id    text NOT NULL
);
CREATE INDEX audit_acts_by_object ON audit_acts (object, acted_at);
CREATE INDEX audit_acts_by_actor ON audit_acts (actor, acted_at);

GRANT SELECT, INSERT, DELETE ON payer_grants TO titan_app;
GRANT SELECT, INSERT, UPDATE ON lookup_buckets TO titan_app;
GRANT SELECT, INSERT ON audit_acts TO titan_app;

-- migrate:down
DROP TABLE audit_acts;
DROP TABLE lookup_buckets;
DROP TABLE payer_grants;
