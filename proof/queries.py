"""The SQL of a proof: columns of fixed width, everything in one statement a table.

Text is digested as `proof.body.digest_of` does it: the first 16 bytes of SHA-256 over the texts
with bars between. `$1` of most is the second since when rows are read; -infinity means all.
"""

from typing import Final

BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"

_NO_ID: Final = "'00000000-0000-0000-0000-000000000000'::uuid"
_NO_DIGEST: Final = "'\\x00000000000000000000000000000000'::bytea"
_NEVER: Final = "'-infinity'::timestamptz"
_SINCE: Final = "to_timestamp($1::float8)"

ACCOUNTS: Final = """
    SELECT account_id, entry_count, balance_minor, 1::bigint FROM ledger_accounts"""

ENTRIES: Final = """
    SELECT account_id, posting_id, sequence, entry.amount_minor, balance_after_minor,
           COALESCE(currency, '???')
    FROM ledger_entries AS entry LEFT JOIN ledger_accounts USING (account_id)"""

ENTRIES_SINCE: Final = f"""{ENTRIES}
    WHERE posting_id IN (SELECT posting_id FROM ledger_postings WHERE posted_at >= {_SINCE})"""  # noqa: S608 - own words only

_TOUCHED: Final = f"""
    WITH touched AS MATERIALIZED (
        SELECT account_id, min(sequence) AS first
        FROM ledger_postings, unnest(account_ids, entry_sequences) AS named (account_id, sequence)
        WHERE posted_at >= {_SINCE} GROUP BY account_id
    )"""  # noqa: S608 - own words only

ACCOUNTS_SINCE: Final = f"""{_TOUCHED}
    SELECT account_id, entry_count, balance_minor, first
    FROM ledger_accounts JOIN touched USING (account_id)"""  # noqa: S608 - own words only

LINKS_SINCE: Final = f"""{_TOUCHED}
    SELECT entry.account_id, sequence, entry.amount_minor, balance_after_minor,
           (sequence < first)::int::int2
    FROM touched JOIN ledger_entries AS entry
        ON entry.account_id = touched.account_id AND sequence >= first - 1"""  # noqa: S608 - own words only

POSTINGS: Final = f"""
    SELECT posting_id, CASE octet_length(currency) WHEN 3 THEN currency ELSE '???' END, posted_at
    FROM ledger_postings WHERE posted_at >= {_SINCE}"""  # noqa: S608 - own words only

POINTERS: Final = f"""
    SELECT posting_id, COALESCE(account_id, {_NO_ID}), COALESCE(sequence, 0)
    FROM ledger_postings, unnest(account_ids, entry_sequences) AS named (account_id, sequence)
    WHERE posted_at >= {_SINCE}"""  # noqa: S608 - own words only

_PAYMENT: Final = f"""
    SELECT payment_id, COALESCE(accepted_at, {_NEVER}), COALESCE(requested_at, {_NEVER}),
           COALESCE(resolved_at, {_NEVER}), COALESCE(screened_at, {_NEVER}),
           COALESCE(posted_at, {_NEVER}), COALESCE(refused_at, {_NEVER}),
           COALESCE(conflicted_at, {_NEVER}), (rivals IS NOT NULL)::int::int2,
           COALESCE(posting_id, {_NO_ID}), COALESCE(payer_account_id, {_NO_ID}),
           COALESCE(payee_account_id, {_NO_ID}),
           substring(sha256(convert_to(concat_ws('|', client_id, from_handle, to_handle,
               amount_minor, currency, payment_type, fingerprint), 'UTF8')) FOR 16),
           COALESCE(substring(sha256(convert_to(refusal_code, 'UTF8')) FOR 16), {_NO_DIGEST})
    FROM payments"""  # noqa: S608 - own words only

PAYMENTS: Final = f"""{_PAYMENT}
    WHERE GREATEST(requested_at, resolved_at, screened_at, posted_at, refused_at, conflicted_at)
          >= {_SINCE}"""

PAYMENTS_NAMED: Final = f"{_PAYMENT} WHERE payment_id = ANY($1::uuid[])"

PROFILES: Final = """
    SELECT substring(sha256(convert_to(concat_ws('|', 'account',
               encode(uuid_send(account_id), 'hex'), client_id, kind, tier, currency), 'UTF8'))
               FOR 16), account_id, requested_at
    FROM accounts"""

LEDGER_ACCOUNTS: Final = """
    SELECT substring(sha256(convert_to(concat_ws('|', 'ledger',
               encode(uuid_send(account_id), 'hex'), currency, minimum_minor), 'UTF8'))
               FOR 16), account_id, opened_at
    FROM ledger_accounts"""

_ACCOUNT: Final = "COALESCE(encode(uuid_send(account_id), 'hex'), '')"

CHANGES: Final = f"""
    SELECT substring(sha256(convert_to(concat_ws('|', 'change',
               encode(uuid_send(request_id), 'hex'), kind, handle, COALESCE(version::text, ''),
               {_ACCOUNT}, COALESCE(code, '')), 'UTF8')) FOR 16), request_id, requested_at
    FROM directory_changes"""  # noqa: S608 - own words only

HANDLES: Final = f"""
    SELECT substring(sha256(convert_to(concat_ws('|', 'handle', handle, version, {_ACCOUNT}),
               'UTF8')) FOR 16),
           substring(sha256(convert_to(handle, 'UTF8')) FOR 16), version, requested_at
    FROM directory_handles"""  # noqa: S608 - own words only

INBOX: Final = f"""
    SELECT event_id, idempotency_id, COALESCE(array_position($1::text[], step), 0)::int2,
           CASE WHEN outcome_topic IS NULL THEN 0
                ELSE COALESCE(array_position($2::text[], outcome_topic), -1) END::int2,
           COALESCE(substring(sha256(convert_to(outcome, 'UTF8')) FOR 16), {_NO_DIGEST}),
           decided_at
    FROM inbox
    WHERE step = ANY($3::text[]) OR decided_at >= to_timestamp($4::float8)"""  # noqa: S608 - own words only

# By ids, for what the sets alone cannot settle. The rows they find are written once.
INBOX_NAMED: Final = f"""
    SELECT idempotency_id, step, event_id, outcome_topic, outcome, decided_at,
           COALESCE(substring(sha256(convert_to(outcome, 'UTF8')) FOR 16), {_NO_DIGEST}) AS digest
    FROM inbox WHERE idempotency_id = ANY($1::uuid[])"""  # noqa: S608 - own words only

ENTRIES_NAMED: Final = """
    SELECT entry.posting_id, account_id, amount_minor, currency
    FROM ledger_postings AS posting
    CROSS JOIN unnest(account_ids, entry_sequences) AS named (account, number)
    JOIN ledger_entries AS entry ON account_id = account AND sequence = number
    WHERE posting.posting_id = ANY($1::uuid[]) AND entry.posting_id = posting.posting_id"""

# The server's own arithmetic, beside the proof's.
CURRENCY_SUMS: Final = """
    SELECT currency, COALESCE(sum(moved), 0)::text, COALESCE(sum(credited), 0)::text,
           COALESCE(sum(balance_minor), 0)::text, COALESCE(sum(entries), 0)::bigint
    FROM (
        SELECT account_id, sum(amount_minor) AS moved, count(*) AS entries,
               sum(amount_minor) FILTER (WHERE amount_minor > 0) AS credited
        FROM ledger_entries GROUP BY account_id
    ) AS added FULL JOIN ledger_accounts USING (account_id)
    GROUP BY currency ORDER BY currency"""

WRONG_BALANCES: Final = """
    SELECT account_id, balance_minor::text, COALESCE(moved, 0)::text
    FROM ledger_accounts LEFT JOIN (
        SELECT account_id, sum(amount_minor) AS moved, count(*) AS entries
        FROM ledger_entries GROUP BY account_id
    ) AS added USING (account_id)
    WHERE balance_minor <> COALESCE(moved, 0) OR entry_count <> COALESCE(entries, 0)
    ORDER BY account_id LIMIT 1000"""

WRONG_HOLDS: Final = """
    SELECT account_id, balance_minor::text, held_minor::text, minimum_minor::text,
           COALESCE(held, 0)::text
    FROM ledger_accounts LEFT JOIN (
        SELECT account_id, sum(amount_minor) AS held FROM ledger_holds
        WHERE ended_as IS NULL GROUP BY account_id
    ) AS holds USING (account_id)
    WHERE balance_minor::numeric - held_minor < minimum_minor
       OR held_minor <> COALESCE(held, 0)
    ORDER BY account_id LIMIT 1000"""

WRONG_CAPTURES: Final = """
    SELECT hold.hold_id, hold.posting_id FROM ledger_holds AS hold
    LEFT JOIN ledger_postings AS posting USING (posting_id)
    WHERE hold.posting_id IS NOT NULL AND posting.hold_id IS DISTINCT FROM hold.hold_id
    LIMIT 1000"""

ACCOUNT_COUNT: Final = "SELECT count(*) FROM ledger_accounts"
