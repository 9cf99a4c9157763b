-- migrate:up

-- Every process works as this role. It can append to history, never edit or delete it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'titan_app') THEN
        CREATE ROLE titan_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the whole server: a twin migration was quicker
END
$$;
GRANT titan_app TO CURRENT_USER;

-- What a step has decided about an event. The row and the effect commit together, so a redelivery
-- finds the stored outcome and publishes it again instead of deciding anew.
CREATE TABLE inbox (
    idempotency_id uuid        NOT NULL,
    step           text        NOT NULL,
    started_on     date        NOT NULL,
    event_id       uuid        NOT NULL,
    outcome_topic  text,
    outcome        text,
    decided_at     timestamptz NOT NULL,
    PRIMARY KEY (idempotency_id, step, started_on)
) PARTITION BY RANGE (started_on);

GRANT SELECT, INSERT ON inbox TO titan_app;

-- Partitions come and go by date: dropping one is free, deleting its rows would not be.
-- Attaching locks the parent so that running batches go on.
CREATE FUNCTION inbox_ensure_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partition_name text := 'inbox_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('inbox partitions', 0));
    -- to_regclass would answer from this session's cache, which does not know yet what whoever
    -- held the lock has made.
    IF EXISTS (
        SELECT FROM pg_class
        WHERE relname = partition_name AND relnamespace = current_schema()::regnamespace
    ) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE inbox INCLUDING ALL)', partition_name);
    EXECUTE format(
        'ALTER TABLE inbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, day, day + 1
    );
END
$$;

CREATE FUNCTION inbox_drop_before(day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partition_name text;
    dropped integer := 0;
BEGIN
    -- One at a time: of two that drop the same table, the second would fail.
    PERFORM pg_advisory_xact_lock(hashtextextended('inbox partitions', 0));
    FOR partition_name IN
        SELECT child.relname
        FROM pg_inherits
        JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'inbox'::regclass
          AND child.relname < 'inbox_' || to_char(day, 'YYYYMMDD')
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition_name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION inbox_ensure_partition(date), inbox_drop_before(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inbox_ensure_partition(date), inbox_drop_before(date) TO titan_app;

-- migrate:down
DROP FUNCTION inbox_drop_before(date);
DROP FUNCTION inbox_ensure_partition(date);
DROP TABLE inbox;
