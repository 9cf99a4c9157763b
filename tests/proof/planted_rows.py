"""What may be wrong with rows: the check that must tell, in which words, and how it is planted."""

from proof.findings import Check
from tests.proof.world import account_of

# Of one payment that was posted, and of one that was refused.
POSTED = "(SELECT payment_id FROM payments WHERE to_handle = 'bob' AND amount_minor = 103)"
POSTING = f"(SELECT posting_id FROM payments WHERE payment_id = {POSTED})"
REFUSED = "(SELECT payment_id FROM payments WHERE to_handle = 'nobody.there')"
ENTRY = f"posting_id = {POSTING} AND account_id = '{account_of('bob')}'"
ALICE = f"account_id = '{account_of('alice')}'"
NO_MINIMUM = "ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_keep_their_minimum"
NEW_ID = "'00000000-0000-4000-8000-00000000abcd'"

PLANTED: list[tuple[Check, str, list[str]]] = [
    (
        Check.POSTINGS_BALANCE,
        "sum to 1",
        [f"UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE {ENTRY}"],
    ),
    (
        Check.POSTINGS_BALANCE,
        "names other entries",
        [f"UPDATE ledger_postings SET entry_sequences = ARRAY[1, 1] WHERE posting_id = {POSTING}"],
    ),
    (
        Check.POSTINGS_BALANCE,
        "another currency",
        [f"UPDATE ledger_postings SET currency = 'EUR' WHERE posting_id = {POSTING}"],
    ),
    (
        Check.POSTINGS_BALANCE,
        "is no posting",
        [f"DELETE FROM ledger_postings WHERE posting_id = {POSTING}"],
    ),
    (
        Check.CURRENCIES_BALANCE,
        "entries in USD sum to 1",
        [f"UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE {ENTRY}"],
    ),
    (
        Check.CURRENCIES_BALANCE,
        "balances in USD sum to 7",
        [f"UPDATE ledger_accounts SET balance_minor = balance_minor + 7 WHERE {ALICE}"],
    ),
    (
        Check.CURRENCIES_BALANCE,
        "balances in EUR sum to",
        [f"UPDATE ledger_accounts SET currency = 'EUR' WHERE {ALICE}"],
    ),
    (
        Check.BALANCES,
        "its entries come to",
        [f"UPDATE ledger_accounts SET balance_minor = balance_minor + 7 WHERE {ALICE}"],
    ),
    (
        Check.BALANCES,
        "should stand at",
        [f"UPDATE ledger_entries SET balance_after_minor = balance_after_minor + 1 WHERE {ENTRY}"],
    ),
    (
        Check.BALANCES,
        "should stand at",
        [f"DELETE FROM ledger_entries WHERE {ALICE} AND sequence = 3"],
    ),
    (
        Check.BALANCES,
        "not as many",
        [f"UPDATE ledger_accounts SET entry_count = entry_count + 1 WHERE {ALICE}"],
    ),
    (
        Check.MINIMUMS,
        "its open holds come to 0",
        [NO_MINIMUM, f"UPDATE ledger_accounts SET held_minor = 100000 WHERE {ALICE}"],
    ),
    (
        Check.MINIMUMS,
        "minimum 0",
        [NO_MINIMUM, f"UPDATE ledger_accounts SET balance_minor = -1 WHERE {ALICE}"],
    ),
    (
        Check.MINIMUMS,
        "its open holds come to 5",
        [
            (
                "INSERT INTO ledger_holds (hold_id, account_id, amount_minor, held_at, currency)"
                f" VALUES ({NEW_ID}, '{account_of('alice')}', 5, now(), 'USD')"
            )
        ],
    ),
    (
        Check.MINIMUMS,
        "which does not say so",
        [
            (
                "INSERT INTO ledger_holds (hold_id, account_id, amount_minor, held_at, currency,"
                f" ended_as, ended_at, posting_id) VALUES ({NEW_ID}, '{account_of('alice')}', 5,"
                f" now(), 'USD', 'captured', now(), {POSTING})"
            )
        ],
    ),
    (
        Check.MONEY,
        "does not move 103 USD",
        [
            f"DELETE FROM ledger_entries WHERE posting_id = {POSTING}",
            f"DELETE FROM ledger_postings WHERE posting_id = {POSTING}",
        ],
    ),
    (
        Check.MONEY,
        "does not move -103 USD",
        [
            (
                "UPDATE ledger_entries SET amount_minor = sign(amount_minor) * 104"
                f" WHERE posting_id = {POSTING}"
            )
        ],
    ),
    (
        Check.MONEY,
        "moved money that no event tells of",
        [
            # A second time the same money, under another id.
            (
                "INSERT INTO ledger_entries SELECT account_id, sequence + 1000,"
                f" {NEW_ID}, amount_minor, balance_after_minor"
                f" FROM ledger_entries WHERE posting_id = {POSTING}"
            ),
            (
                "INSERT INTO ledger_postings SELECT"
                f" {NEW_ID}, posted_at, NULL, currency, account_ids,"
                " ARRAY[entry_sequences[1] + 1000, entry_sequences[2] + 1000]"
                f" FROM ledger_postings WHERE posting_id = {POSTING}"
            ),
        ],
    ),
    (
        Check.CAUSES,
        "which is not in the log",
        [
            (
                "INSERT INTO inbox SELECT"
                f" {NEW_ID}, step, started_on, {NEW_ID}, NULL, NULL, decided_at"
                " FROM inbox WHERE step = 'risk_screening' LIMIT 1"
            )
        ],
    ),
    (
        Check.DECIDED,
        "whose inbox has not this outcome",
        ["DELETE FROM inbox WHERE step = 'ledger_posting' AND outcome LIKE '%:103,%'"],
    ),
    (
        Check.DECIDED,
        "whose inbox has not this outcome",
        [
            (
                "UPDATE inbox SET outcome = replace(outcome, ':103,', ':104,')"
                " WHERE step = 'risk_screening'"
            )
        ],
    ),
    (
        Check.TOLD,
        "has committed past the event; not on payment.screened.v1",
        [
            (
                "UPDATE inbox SET outcome = replace(outcome, ':103,', ':104,')"
                " WHERE step = 'risk_screening'"
            )
        ],
    ),
    (
        Check.TOLD,
        "not on handle.released.v1",
        [
            (
                "UPDATE inbox SET outcome_topic = 'handle.released.v1'"
                " WHERE outcome_topic = 'handle.claimed.v1' AND outcome LIKE '%alice%'"
            )
        ],
    ),
    (
        Check.OFFSETS,
        "its inbox has no row of it",
        ["DELETE FROM inbox WHERE step = 'ledger_posting' AND outcome LIKE '%:103,%'"],
    ),
    (
        Check.OFFSETS,
        "handle_directory has committed past",
        ["DELETE FROM inbox WHERE step = 'handle_directory' AND outcome LIKE '%alice%'"],
    ),
    (
        Check.PROJECTED,
        "has no row",
        [f"DELETE FROM payments WHERE payment_id = {POSTED}"],
    ),
    (
        Check.PROJECTED,
        "is posted in the log, and the row does not say so",
        [f"UPDATE payments SET posted_at = NULL WHERE payment_id = {POSTED}"],
    ),
    (
        Check.PROJECTED,
        "is posted in its row, and no event says so",
        [f"UPDATE payments SET posted_at = now() WHERE payment_id = {REFUSED}"],
    ),
    (
        Check.PROJECTED,
        "another body",
        [f"UPDATE payments SET amount_minor = 1 WHERE payment_id = {POSTED}"],
    ),
    (
        Check.PROJECTED,
        "another posting",
        [f"UPDATE payments SET posting_id = payment_id WHERE payment_id = {POSTED}"],
    ),
    (
        Check.PROJECTED,
        "another payee",
        [f"UPDATE payments SET payee_account_id = payer_account_id WHERE payment_id = {POSTED}"],
    ),
    (
        Check.PROJECTED,
        "another reason",
        [f"UPDATE payments SET refusal_code = 'velocity' WHERE payment_id = {REFUSED}"],
    ),
    (
        Check.PROJECTED,
        "is requested in its row, and no event says so",
        [f"INSERT INTO payments (payment_id, requested_at) VALUES ({NEW_ID}, now())"],
    ),
    (
        Check.DIRECTORY,
        "stands in a table and in no event",
        [f"UPDATE accounts SET tier = 'verified' WHERE {ALICE}"],
    ),
    (
        Check.DIRECTORY,
        "is told by an event and stands in no table",
        [f"DELETE FROM accounts WHERE {ALICE}"],
    ),
    (
        Check.DIRECTORY,
        "stands in a table and in no event",
        [NO_MINIMUM, f"UPDATE ledger_accounts SET minimum_minor = -1 WHERE {ALICE}"],
    ),
    (
        Check.DIRECTORY,
        "stands in no table",
        ["DELETE FROM directory_changes WHERE handle = 'alice'"],
    ),
    (
        Check.DIRECTORY,
        "stands in a table and in no event",
        [
            (
                "UPDATE directory_handles SET account_id = client_id_of FROM"
                " (SELECT gen_random_uuid() AS client_id_of) AS other WHERE handle = 'alice'"
            )
        ],
    ),
    (
        Check.DIRECTORY,
        "version 1 in the log and not in its table",
        ["DELETE FROM directory_handles WHERE handle = 'alice'"],
    ),
    (
        Check.DIRECTORY,
        "version 2 in the log and not in its table",
        [
            (
                "UPDATE directory_handles SET version = 1,"
                f" account_id = '{account_of('carol')}' WHERE handle = 'carol'"
            )
        ],
    ),
]
