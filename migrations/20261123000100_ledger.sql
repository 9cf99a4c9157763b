-- migrate:up

-- The ledger: the truth of money. Amounts are signed 64-bit minor units of the account's currency.
-- Code decides (domain/posting.py, domain/hold.py); what stands here is the last wall.

-- Balance, holds and count are what the entries and open holds come to, kept under the row's lock.
-- They are in no index and pages are filled to the half, so that a change stays on its page.
CREATE TABLE ledger_accounts (
    account_id    uuid PRIMARY KEY,
    minimum_minor bigint NOT NULL CHECK (minimum_minor <= 0),
    balance_minor bigint NOT NULL DEFAULT 0,
    held_minor    bigint NOT NULL DEFAULT 0 CHECK (held_minor >= 0),
    entry_count   bigint NOT NULL DEFAULT 0 CHECK (entry_count >= 0),
    opened_at     timestamptz NOT NULL,
    is_frozen     boolean NOT NULL DEFAULT false,
    currency      text NOT NULL CHECK (octet_length(currency) = 3),
    CONSTRAINT ledger_accounts_keep_their_minimum
        CHECK (balance_minor - held_minor >= minimum_minor)
) WITH (fillfactor = 50);

-- A posting says where its entries are, in the order they were given: (account_ids[i],
-- entry_sequences[i]). That spares the entries an index by posting.
CREATE TABLE ledger_postings (
    posting_id      uuid PRIMARY KEY,
    posted_at       timestamptz NOT NULL,
    hold_id         uuid,
    currency        text NOT NULL,
    account_ids     uuid[] NOT NULL,
    entry_sequences bigint[] NOT NULL,
    CONSTRAINT ledger_postings_have_two_entries_or_more
        CHECK (cardinality(account_ids) >= 2
               AND cardinality(account_ids) = cardinality(entry_sequences))
);

-- The sequence counts an account's entries without a gap, since it is taken under the account's
-- lock. The account and posting an entry names exist because one writer writes them together;
-- foreign keys would cost each entry two look-ups to say so again.
CREATE TABLE ledger_entries (
    account_id          uuid NOT NULL,
    sequence            bigint NOT NULL CHECK (sequence >= 1),
    posting_id          uuid NOT NULL,
    amount_minor        bigint NOT NULL CHECK (amount_minor <> 0),
    balance_after_minor bigint NOT NULL,
    PRIMARY KEY (account_id, sequence)
);

-- A hold is placed once and ended once: its end is filled in, and never changed.
CREATE TABLE ledger_holds (
    hold_id      uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES ledger_accounts,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    held_at      timestamptz NOT NULL,
    expires_at   timestamptz,
    ended_at     timestamptz,
    posting_id   uuid,
    currency     text NOT NULL,
    ended_as     text CHECK (ended_as IN ('captured', 'voided', 'expired')),
    CONSTRAINT ledger_holds_end_whole
        CHECK ((ended_as IS NULL) = (ended_at IS NULL)
               AND (ended_as IS NOT DISTINCT FROM 'captured') = (posting_id IS NOT NULL))
);

CREATE INDEX ledger_holds_due ON ledger_holds (expires_at, hold_id)
    WHERE ended_as IS NULL AND expires_at IS NOT NULL;

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER ledger_postings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_accounts_stay BEFORE DELETE OR TRUNCATE ON ledger_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_holds_stay BEFORE DELETE OR TRUNCATE ON ledger_holds
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_holds_end_once BEFORE UPDATE ON ledger_holds
    FOR EACH ROW
    WHEN (OLD.ended_as IS NOT NULL OR NEW.ended_as IS NULL
          OR (NEW.hold_id, NEW.account_id, NEW.amount_minor, NEW.held_at, NEW.expires_at,
              NEW.currency)
             IS DISTINCT FROM
             (OLD.hold_id, OLD.account_id, OLD.amount_minor, OLD.held_at, OLD.expires_at,
              OLD.currency))
    EXECUTE FUNCTION ledger_refuse_change();

-- Every posting sums to zero in its own currency. All entries of one posting come in one statement,
-- so a look at that statement's rows is enough.
CREATE FUNCTION ledger_refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added GROUP BY posting_id HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'a posting does not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_unbalanced();

GRANT SELECT, INSERT ON ledger_accounts, ledger_postings, ledger_entries, ledger_holds TO titan_app;
GRANT UPDATE (balance_minor, held_minor, entry_count, is_frozen) ON ledger_accounts TO titan_app;
GRANT UPDATE (ended_as, ended_at, posting_id) ON ledger_holds TO titan_app;

-- migrate:down

DROP TABLE ledger_holds, ledger_entries, ledger_postings, ledger_accounts;
DROP FUNCTION ledger_refuse_unbalanced();
DROP FUNCTION ledger_refuse_change();
