-- migrate:up

-- Who rebuilds read models from the log. titan_replay reads the living tables and writes in the
-- schema titan_replay, nowhere else. titan_replay_swap may besides put a rebuilt table in place,
-- through the two functions below and in no other way.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['titan_replay', 'titan_replay_swap'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- roles belong to the whole server: a twin migration was quicker
        END;
    END LOOP;
END
$$;
GRANT titan_replay, titan_replay_swap TO CURRENT_USER;
GRANT titan_replay TO titan_replay_swap;

-- titan_replaced keeps the table that a swap took out, until the next replay.
CREATE SCHEMA titan_replay AUTHORIZATION titan_replay;
CREATE SCHEMA titan_replaced AUTHORIZATION titan_replay;

GRANT SELECT ON payments, accounts, directory_handles, directory_changes, inbox TO titan_replay;

-- The least of uuids: PostgreSQL has LEAST for them and no min(). Strict, so that it is called only
-- where a second value meets a first.
CREATE FUNCTION titan_replay.least_id(one uuid, other uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT LEAST($1, $2)';
CREATE AGGREGATE titan_replay.min_id (uuid) (
    SFUNC = titan_replay.least_id, STYPE = uuid, COMBINEFUNC = titan_replay.least_id, PARALLEL = SAFE
);

CREATE FUNCTION replay_tables(projection text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE projection
        WHEN 'payments' THEN ARRAY['payments']
        WHEN 'accounts' THEN ARRAY['accounts']
        WHEN 'directory' THEN ARRAY['directory_handles', 'directory_changes']
    END;
END
$$;

-- What makes one table interchangeable with another, name and schema left out.
CREATE FUNCTION replay_shape(relation regclass) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(line ORDER BY line) FROM (
        SELECT format('column %s %I %s null=%s generated=%s identity=%s collation=%s default=%s',
                      row_number() OVER (ORDER BY attnum), attname,
                      format_type(atttypid, atttypmod), NOT attnotnull, attgenerated, attidentity,
                      attcollation::regcollation, pg_get_expr(adbin, adrelid))
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT format('constraint %I %s', conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE conrelid = relation
        UNION ALL
        SELECT format('index %I unique=%s valid=%s identity=%s clustered=%s %s', relname,
                      indisunique, indisvalid, indisreplident, indisclustered,
                      substring(pg_get_indexdef(indexrelid) FROM ' USING .*'))
        FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = relation
        UNION ALL
        SELECT 'option ' || unnest(reloptions) FROM pg_class WHERE oid = relation
        UNION ALL
        SELECT format('kind %s persistence %s method %s space %s identity %s rows %s', relkind,
                      relpersistence, relam, reltablespace, relreplident, relrowsecurity)
        FROM pg_class WHERE oid = relation
    ) AS lines (line)
$$;

-- What a swap would lose: whoever gives a read model one of these has to teach replay_swap first.
CREATE FUNCTION replay_not_carried(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(what, ', ' ORDER BY what) FROM (
        SELECT 'a rule' FROM pg_rewrite WHERE ev_class = relation
        UNION SELECT 'a policy' FROM pg_policy WHERE polrelid = relation
        UNION SELECT 'a publication' FROM pg_publication_rel WHERE prrelid = relation
        UNION SELECT 'inheritance' FROM pg_inherits WHERE relation IN (inhrelid, inhparent)
        UNION SELECT 'a foreign key' FROM pg_constraint
              WHERE contype = 'f' AND relation IN (conrelid, confrelid)
        UNION SELECT 'extended statistics' FROM pg_statistic_ext WHERE stxrelid = relation
        UNION SELECT 'a view' FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
              WHERE classid = 'pg_rewrite'::regclass AND refobjid = relation AND ev_class <> relation
    ) AS carried (what)
$$;

-- Nobody writes to the projection's tables, or reads them, until this transaction ends. So what is
-- in the log now holds all that the stage has ever applied.
CREATE FUNCTION replay_hold(projection text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY public.replay_tables(projection) LOOP
        EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', name);
    END LOOP;
END
$$;

-- Put the rebuilt tables of a projection in place of the living ones: with their owner, privileges,
-- triggers and comment; columns, constraints, indexes and options must be equal already.
CREATE FUNCTION replay_swap(projection text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    living regclass;
    rebuilt regclass;
    lost text;
    commands text[];
    command text;
BEGIN
    PERFORM public.replay_hold(projection);
    FOREACH name IN ARRAY public.replay_tables(projection) LOOP
        living := format('public.%I', name)::regclass;
        rebuilt := format('titan_replay.%I', name)::regclass;
        EXECUTE format('LOCK TABLE titan_replay.%I IN ACCESS EXCLUSIVE MODE', name);
        lost := public.replay_not_carried(living);
        IF lost IS NOT NULL THEN
            RAISE EXCEPTION '% has %, which a swap would lose', name, lost
                USING ERRCODE = 'feature_not_supported';
        END IF;
        IF public.replay_shape(living) IS DISTINCT FROM public.replay_shape(rebuilt)
           OR public.replay_not_carried(rebuilt) IS NOT NULL
           OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rebuilt)
           OR EXISTS (SELECT FROM pg_class WHERE oid = rebuilt AND relacl IS NOT NULL)
           OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = rebuilt AND attacl IS NOT NULL)
        THEN
            RAISE EXCEPTION 'the rebuilt % is not made as the living one', name
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;

        SELECT array_agg(line ORDER BY place) INTO commands FROM (
            SELECT 1, format('ALTER TABLE public.%I OWNER TO %I', name, pg_get_userbyid(relowner))
            FROM pg_class WHERE oid = living
            UNION ALL
            SELECT 2, format('REVOKE ALL ON public.%I FROM %I', name, pg_get_userbyid(relowner))
            FROM pg_class WHERE oid = living AND relacl IS NOT NULL
            UNION ALL
            SELECT 3, format('GRANT %s ON public.%I TO %s%s', privilege_type, name,
                             CASE grantee WHEN 0 THEN 'PUBLIC'
                                  ELSE quote_ident(pg_get_userbyid(grantee)) END,
                             CASE WHEN is_grantable AND grantee <> relowner
                                  THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_class, aclexplode(relacl) WHERE oid = living
            UNION ALL
            SELECT 4, format('GRANT %s (%I) ON public.%I TO %s%s', privilege_type, attname, name,
                             CASE grantee WHEN 0 THEN 'PUBLIC'
                                  ELSE quote_ident(pg_get_userbyid(grantee)) END,
                             CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_attribute, aclexplode(attacl) WHERE attrelid = living AND NOT attisdropped
            UNION ALL
            SELECT 5, pg_get_triggerdef(oid)
            FROM pg_trigger WHERE tgrelid = living AND NOT tgisinternal
            UNION ALL
            SELECT 6, format('ALTER TABLE public.%I %s TRIGGER %I', name,
                             CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                                  ELSE 'ENABLE ALWAYS' END, tgname)
            FROM pg_trigger WHERE tgrelid = living AND NOT tgisinternal AND tgenabled <> 'O'
            UNION ALL
            SELECT 7, format('COMMENT ON TABLE public.%I IS %L', name,
                             obj_description(living, 'pg_class'))
            WHERE obj_description(living, 'pg_class') IS NOT NULL
        ) AS steps (place, line);

        EXECUTE format('DROP TABLE IF EXISTS titan_replaced.%I', name);
        EXECUTE format('ALTER TABLE public.%I SET SCHEMA titan_replaced', name);
        EXECUTE format('ALTER TABLE titan_replay.%I SET SCHEMA public', name);
        FOREACH command IN ARRAY commands LOOP
            EXECUTE command;
        END LOOP;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION replay_tables(text), replay_shape(regclass), replay_not_carried(regclass),
    replay_hold(text), replay_swap(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION replay_hold(text), replay_swap(text) TO titan_replay_swap;

-- migrate:down
DROP FUNCTION replay_swap(text), replay_hold(text), replay_not_carried(regclass),
    replay_shape(regclass), replay_tables(text);
DROP SCHEMA titan_replay CASCADE;
DROP SCHEMA titan_replaced CASCADE;
REVOKE SELECT ON payments, accounts, directory_handles, directory_changes, inbox FROM titan_replay;
