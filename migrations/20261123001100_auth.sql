-- migrate:up

-- People who can sign in. What says who they are is sealed, or a blind index.
CREATE TABLE auth_users (
    user_id             uuid PRIMARY KEY,
    email_index         text COLLATE "C" UNIQUE,
    email_sealed        text,
    display_name_sealed text,
    password_hash       text,
    roles               text[] NOT NULL DEFAULT '{}',
    suspended_at        timestamptz,
    totp_sealed         text,
    totp_enrolled_at    timestamptz,
    totp_step           bigint NOT NULL DEFAULT 0,
    registered_at       timestamptz NOT NULL
);

CREATE TABLE auth_sessions (
    session_id   uuid PRIMARY KEY,
    user_id      uuid        NOT NULL REFERENCES auth_users,
    with_totp    boolean     NOT NULL,
    started_at   timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz
);
CREATE INDEX auth_sessions_by_user ON auth_sessions (user_id, started_at DESC, session_id DESC);
CREATE INDEX auth_sessions_by_end ON auth_sessions (expires_at);

-- Every refresh token of a session that may still come, by its hash. The successor is kept sealed
-- for the moment in which its answer may have been lost. No second branch: a generation is one token.
CREATE TABLE auth_refresh_tokens (
    token_hash       bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    session_id       uuid NOT NULL REFERENCES auth_sessions ON DELETE CASCADE,
    generation       integer NOT NULL CHECK (generation >= 1),
    rotated_at       timestamptz,
    successor_sealed text,
    UNIQUE (session_id, generation)
);
CREATE INDEX auth_refresh_tokens_sealed ON auth_refresh_tokens (rotated_at)
    WHERE successor_sealed IS NOT NULL;

-- Programs, and what they may show: secrets and API keys, by their hash.
CREATE TABLE auth_clients (
    client_id  text COLLATE "C" PRIMARY KEY CHECK (client_id ~ '^client:[a-z][a-z0-9-]{0,47}$'),
    scopes     text[]      NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE auth_credentials (
    credential_id uuid PRIMARY KEY,
    client_id     text COLLATE "C" NOT NULL REFERENCES auth_clients,
    kind          text        NOT NULL CHECK (kind IN ('secret', 'api_key')),
    prefix        text        NOT NULL,
    secret_hash   bytea       NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    scopes        text[]      NOT NULL,
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz,
    revoked_at    timestamptz
);
CREATE INDEX auth_credentials_by_client ON auth_credentials (client_id, created_at, credential_id);

-- What was tried, per account and per address, each named by a keyed hash. Here and not in the
-- cache: an erased cache must not let anybody guess anew.
CREATE TABLE auth_meters (
    meter         text COLLATE "C" PRIMARY KEY,
    drained_at    timestamptz,
    failures      integer NOT NULL DEFAULT 0,
    blocked_until timestamptz,
    touched_at    timestamptz NOT NULL
);
CREATE INDEX auth_meters_by_touch ON auth_meters (touched_at);

-- Keys that access tokens are signed with; the private half is sealed under the house's key.
CREATE TABLE auth_signing_keys (
    kid            text COLLATE "C" PRIMARY KEY,
    private_sealed text        NOT NULL,
    public_jwk     jsonb       NOT NULL,
    created_at     timestamptz NOT NULL,
    signs_from     timestamptz NOT NULL,
    revoked_at     timestamptz
);

GRANT SELECT, INSERT, UPDATE ON auth_users, auth_clients, auth_credentials, auth_signing_keys
    TO titan_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth_sessions, auth_refresh_tokens, auth_meters
    TO titan_app;

-- What forgetting a person erases here; the row itself stays, and names nobody.
SELECT titan_keys.declare_trace('auth_users', 'user_id', erased) FROM unnest(ARRAY[
    'email_index', 'email_sealed', 'display_name_sealed', 'password_hash', 'totp_sealed'
]) AS erased;
SELECT titan_keys.declare_trace('auth_sessions', 'user_id', NULL);

-- migrate:down
DELETE FROM titan_keys.traces WHERE relation IN ('auth_users', 'auth_sessions');
DROP TABLE auth_signing_keys;
DROP TABLE auth_meters;
DROP TABLE auth_credentials;
DROP TABLE auth_clients;
DROP TABLE auth_refresh_tokens;
DROP TABLE auth_sessions;
DROP TABLE auth_users;
