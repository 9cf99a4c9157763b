"""Every SQL statement of the ledger on PostgreSQL: one a kind, each on a whole batch.

Accounts are locked before anything else is read, in the order of their ids. What is read after
that (postings and holds of these ids) includes all that the former owners of the locks committed,
since a READ COMMITTED statement sees what was committed when it began.
"""

from typing import Final

_ACCOUNT: Final = """
    SELECT account_id, currency, minimum_minor, balance_minor, held_minor, entry_count, is_frozen
    FROM ledger_accounts"""

READ_ACCOUNTS: Final = f"{_ACCOUNT} WHERE account_id = ANY($1::uuid[])"

LOCK_ACCOUNTS: Final = f"{READ_ACCOUNTS} ORDER BY account_id FOR UPDATE"

LOCK_ACCOUNTS_OF_HOLDS: Final = f"""{_ACCOUNT}
    WHERE account_id IN (SELECT account_id FROM ledger_holds WHERE hold_id = ANY($1::uuid[]))
    ORDER BY account_id FOR UPDATE"""  # noqa: S608 - own words only

LOCK_ACCOUNTS_OF_DUE_HOLDS: Final = f"""{_ACCOUNT}
    WHERE account_id IN (
        SELECT account_id FROM ledger_holds
        WHERE ended_as IS NULL AND expires_at <= $1::timestamptz
        ORDER BY expires_at, hold_id LIMIT $2::bigint
    )
    ORDER BY account_id FOR UPDATE"""  # noqa: S608 - own words only

# In the order of ids as well, so that two units that open the same accounts do not deadlock.
OPEN_ACCOUNTS: Final = """
    INSERT INTO ledger_accounts (account_id, currency, minimum_minor, opened_at)
    SELECT account_id, currency, minimum_minor, $4::timestamptz
    FROM unnest($1::uuid[], $2::text[], $3::bigint[])
        AS opening (account_id, currency, minimum_minor)
    ORDER BY account_id
    ON CONFLICT (account_id) DO NOTHING"""

OPENED_ACCOUNTS: Final = """
    SELECT account_id, currency, minimum_minor, opened_at
    FROM ledger_accounts WHERE account_id = ANY($1::uuid[])"""

SET_FROZEN: Final = """
    WITH locked AS (
        SELECT account_id FROM ledger_accounts
        WHERE account_id = ANY($1::uuid[]) ORDER BY account_id FOR UPDATE
    )
    UPDATE ledger_accounts AS account SET is_frozen = $2::boolean
    FROM locked WHERE account.account_id = locked.account_id
    RETURNING account.account_id"""

KNOWN_POSTINGS: Final = """
    SELECT posting_id, currency, posted_at, hold_id, account_ids, entry_sequences
    FROM ledger_postings WHERE posting_id = ANY($1::uuid[])"""

ENTRIES_AT: Final = """
    SELECT account_id, entry.amount_minor, sequence, entry.balance_after_minor
    FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS at (account_id, sequence, place)
    JOIN ledger_entries AS entry USING (account_id, sequence)
    ORDER BY at.place"""

ENTRIES_OF_ACCOUNT: Final = """
    SELECT entry.sequence, posting_id, entry.amount_minor, entry.balance_after_minor,
           posting.posted_at
    FROM ledger_entries AS entry JOIN ledger_postings AS posting USING (posting_id)
    WHERE entry.account_id = $1::uuid AND entry.sequence < $2::bigint
    ORDER BY entry.sequence DESC LIMIT $3::bigint"""

# Postings, their entries and the accounts in one round trip: together they are the books.
# $1-$5 are one a posting (place of its first and last entry), $7-$11 one an entry (place of its
# posting), $12-$15 one an account.
RECORD_POSTINGS: Final = """
    WITH recorded AS (
        INSERT INTO ledger_postings
            (posting_id, currency, hold_id, posted_at, account_ids, entry_sequences)
        SELECT posting_id, currency, hold_id, $6::timestamptz,
               ($7::uuid[])[first:last], ($8::bigint[])[first:last]
        FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::int[])
            AS posting (posting_id, currency, hold_id, first, last)
    ), added AS (
        INSERT INTO ledger_entries
            (account_id, sequence, posting_id, amount_minor, balance_after_minor)
        SELECT account_id, sequence, ($1::uuid[])[place], amount_minor, balance_after_minor
        FROM unnest($7::uuid[], $8::bigint[], $9::int[], $10::bigint[], $11::bigint[])
            AS entry (account_id, sequence, place, amount_minor, balance_after_minor)
    )
    UPDATE ledger_accounts AS account
    SET balance_minor = changed.balance_minor, held_minor = changed.held_minor,
        entry_count = changed.entry_count
    FROM unnest($12::uuid[], $13::bigint[], $14::bigint[], $15::bigint[])
        AS changed (account_id, balance_minor, held_minor, entry_count)
    WHERE account.account_id = changed.account_id"""

SET_HELD: Final = """
    UPDATE ledger_accounts AS account SET held_minor = changed.held_minor
    FROM unnest($1::uuid[], $2::bigint[]) AS changed (account_id, held_minor)
    WHERE account.account_id = changed.account_id"""

_HOLD: Final = """
    SELECT hold_id, account_id, currency, amount_minor, expires_at, held_at, ended_as, ended_at,
           posting_id
    FROM ledger_holds"""

KNOWN_HOLDS: Final = f"{_HOLD} WHERE hold_id = ANY($1::uuid[])"

DUE_HOLDS: Final = f"""{_HOLD}
    WHERE ended_as IS NULL AND expires_at <= $1::timestamptz AND account_id = ANY($2::uuid[])
    ORDER BY expires_at, hold_id LIMIT $3::bigint"""

PLACE_HOLDS: Final = """
    INSERT INTO ledger_holds (hold_id, account_id, currency, amount_minor, expires_at, held_at)
    SELECT hold_id, account_id, currency, amount_minor, expires_at, $6::timestamptz
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[])
        AS hold (hold_id, account_id, currency, amount_minor, expires_at)"""

END_HOLDS: Final = """
    UPDATE ledger_holds AS hold
    SET ended_as = ending.ended_as, ended_at = ending.ended_at, posting_id = ending.posting_id
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[])
        AS ending (hold_id, ended_as, ended_at, posting_id)
    WHERE hold.hold_id = ending.hold_id"""
