-- migrate:up

-- The keys of people's texts, wrapped. In a schema of their own, and the usual backup leaves them
-- out: pg_dump --exclude-table-data=titan_keys.data_keys. See docs/encryption.md.
CREATE SCHEMA titan_keys;
GRANT USAGE ON SCHEMA titan_keys TO titan_app;

-- Key-encryption keys: what a provider holds is named here, never stored. The newest one wraps.
CREATE TABLE titan_keys.keks (
    kek_id     integer     PRIMARY KEY CHECK (kek_id > 0),
    provider   text        NOT NULL,
    reference  text        NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    UNIQUE (provider, reference)
);
GRANT SELECT, INSERT, UPDATE (retired_at) ON titan_keys.keks TO titan_app;

-- One data key per person; a worn one gets a successor with the next number. `messages` counts
-- what was reserved for sealing, in blocks: never less than what was sealed.
CREATE TABLE titan_keys.data_keys (
    key_id     uuid        PRIMARY KEY,
    owner      uuid        NOT NULL,
    number     integer     NOT NULL CHECK (number > 0),
    kek_id     integer     NOT NULL REFERENCES titan_keys.keks,
    wrapped    bytea       NOT NULL,
    messages   bigint      NOT NULL DEFAULT 0 CHECK (messages >= 0),
    created_at timestamptz NOT NULL,
    UNIQUE (owner, number)
);
CREATE INDEX data_keys_kek ON titan_keys.data_keys (kek_id, key_id);
GRANT SELECT, INSERT, UPDATE (kek_id, wrapped, messages) ON titan_keys.data_keys TO titan_app;

-- How much was sealed under the house's own keys, which are nowhere in this database.
CREATE TABLE titan_keys.house_keys (
    key_id   uuid   PRIMARY KEY,
    messages bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE (messages) ON titan_keys.house_keys TO titan_app;

-- Counts forgettings and rotations: when it moves, no process relies on the keys in its memory.
CREATE TABLE titan_keys.epoch (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number  bigint  NOT NULL
);
INSERT INTO titan_keys.epoch (number) VALUES (1);
GRANT SELECT, UPDATE (number) ON titan_keys.epoch TO titan_app;

-- Who was forgotten. Not among the keys: an older backup of those must not bring anybody back.
CREATE TABLE forgotten_people (
    owner        uuid        PRIMARY KEY,
    forgotten_at timestamptz NOT NULL
);
GRANT SELECT ON forgotten_people TO titan_app;

-- Where blind indexes and other traces of a person stand, told by the migrations of those tables:
-- SELECT titan_keys.declare_trace('users', 'user_id', 'email_index');   -- becomes NULL
-- SELECT titan_keys.declare_trace('user_handles', 'user_id', NULL);     -- the row is deleted
CREATE TABLE titan_keys.traces (
    relation     text NOT NULL,
    owner_column text NOT NULL,
    column_name  text,
    UNIQUE NULLS NOT DISTINCT (relation, owner_column, column_name)
);
GRANT SELECT ON titan_keys.traces TO titan_app;

CREATE FUNCTION titan_keys.declare_trace(relation text, owner_column text, column_name text)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO titan_keys.traces VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
$$;

-- Destroys a person's data keys and traces; whether they were not forgotten before. Whoever makes
-- a key holds the same lock (of the class 0x7661756c), so that none comes into being beside it.
CREATE FUNCTION titan_keys.forget(person uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    trace titan_keys.traces;
    fresh integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(person::text, 1986098540));
    INSERT INTO public.forgotten_people VALUES (person, at) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS fresh = ROW_COUNT;
    DELETE FROM titan_keys.data_keys WHERE owner = person;
    FOR trace IN SELECT * FROM titan_keys.traces ORDER BY relation, column_name LOOP
        IF trace.column_name IS NULL THEN
            EXECUTE format('DELETE FROM public.%I WHERE %I = $1',
                           trace.relation, trace.owner_column) USING person;
        ELSE
            EXECUTE format('UPDATE public.%I SET %I = NULL WHERE %I = $1 AND %2$I IS NOT NULL',
                           trace.relation, trace.column_name, trace.owner_column) USING person;
        END IF;
    END LOOP;
    UPDATE titan_keys.epoch SET number = number + 1;
    RETURN fresh > 0;
END
$$;

REVOKE ALL ON FUNCTION titan_keys.declare_trace(text, text, text),
    titan_keys.forget(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION titan_keys.forget(uuid, timestamptz) TO titan_app;

-- migrate:down
DROP TABLE forgotten_people;
DROP SCHEMA titan_keys CASCADE;
