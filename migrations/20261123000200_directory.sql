-- migrate:up

-- Which account each handle names. A released handle keeps its row, with nothing in it but the
-- version, so that versions never go back.
CREATE TABLE directory_handles (
    handle              text PRIMARY KEY CHECK (handle ~ '^[a-z0-9][a-z0-9._-]{1,31}$'),
    version             bigint NOT NULL CHECK (version >= 1),
    client_id           text NOT NULL,
    account_id          uuid,
    currency            text CHECK (currency ~ '^[A-Z]{3}$'),
    display_name_sealed text,
    requested_at        timestamptz NOT NULL,
    CONSTRAINT directory_handles_name_an_account_wholly_or_not_at_all
        CHECK (num_nulls(account_id, currency, display_name_sealed) IN (0, 3))
);

-- One row a request: what the directory decided about it.
CREATE TABLE directory_changes (
    request_id   uuid PRIMARY KEY,
    requested_at timestamptz NOT NULL,
    client_id    text NOT NULL,
    fingerprint  text NOT NULL,
    handle       text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('claimed', 'ported', 'released', 'refused')),
    version      bigint,
    account_id   uuid,
    code         text,
    CONSTRAINT directory_changes_have_a_version_or_a_code CHECK (num_nulls(version, code) = 1)
);
-- Two changes cannot share a version; and a handle's history is read in its order.
CREATE UNIQUE INDEX directory_changes_by_version ON directory_changes (handle, version)
    WHERE version IS NOT NULL;

-- What the house knows of an account besides its money, which is the ledger's.
CREATE TABLE accounts (
    account_id   uuid PRIMARY KEY,
    client_id    text NOT NULL,
    kind         text NOT NULL,
    tier         text NOT NULL,
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    requested_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON directory_handles TO titan_app;
GRANT SELECT, INSERT ON directory_changes, accounts TO titan_app;

-- migrate:down
DROP TABLE accounts;
DROP TABLE directory_changes;
DROP TABLE directory_handles;
