-- migrate:up

-- What customers pull from: each owner's events, numbered from 1 without a gap. A number is given
-- under the lock of the owner's head, which is held until the commit: so whoever sees a number sees
-- all below it, and no event appears behind a reader's back.
CREATE TABLE feed_heads (
    client_id text COLLATE "C" PRIMARY KEY,
    position  bigint      NOT NULL,
    told_on   date        NOT NULL,
    -- Tells this numbering from that of a feed which was dropped and filled anew.
    began_at  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The day never goes back within one feed, whatever the clocks of several processes say: so what
-- goes with the oldest partitions is always a feed's beginning, and no event in its middle.
CREATE TABLE feed_events (
    client_id text COLLATE "C" NOT NULL,
    position  bigint NOT NULL,
    told_on   date   NOT NULL,
    event_id  uuid   NOT NULL,
    type      text COLLATE "C" NOT NULL,
    document  text   NOT NULL,
    PRIMARY KEY (client_id, position, told_on)
) PARTITION BY RANGE (told_on);

-- What is known of a payment or a request: whose it is, which of its events were taken in, and
-- which wait for the one that comes before them. Half of each page is left free: the row is written
-- once for every event, and changes no column that has an index.
CREATE TABLE feed_subjects (
    subject    uuid PRIMARY KEY,
    started_on date NOT NULL,
    client_id  text COLLATE "C",
    -- Ids one after another, types between spaces, events as JSON: no arrays, which would have to
    -- be taken apart and put together again for every row.
    taken      bytea NOT NULL,
    passed     text COLLATE "C" NOT NULL,
    waiting    text NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX feed_subjects_by_age ON feed_subjects (started_on);

GRANT SELECT, INSERT, UPDATE ON feed_heads TO titan_app;
GRANT SELECT, INSERT ON feed_events TO titan_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON feed_subjects TO titan_app;

-- As with the inbox (base.sql): partitions come and go by date, one caller at a time.
CREATE FUNCTION feed_ensure_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partition_name text := 'feed_events_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('feed partitions', 0));
    IF EXISTS (
        SELECT FROM pg_class
        WHERE relname = partition_name AND relnamespace = current_schema()::regnamespace
    ) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE feed_events INCLUDING ALL)', partition_name);
    EXECUTE format(
        'ALTER TABLE feed_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, day, day + 1
    );
END
$$;

CREATE FUNCTION feed_drop_before(day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    partition_name text;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('feed partitions', 0));
    FOR partition_name IN
        SELECT child.relname
        FROM pg_inherits
        JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'feed_events'::regclass
          AND child.relname < 'feed_events_' || to_char(day, 'YYYYMMDD')
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition_name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION feed_ensure_partition(date), feed_drop_before(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_ensure_partition(date), feed_drop_before(date) TO titan_app;

-- migrate:down

DROP FUNCTION feed_drop_before(date);
DROP FUNCTION feed_ensure_partition(date);
DROP TABLE feed_subjects;
DROP TABLE feed_events;
DROP TABLE feed_heads;
