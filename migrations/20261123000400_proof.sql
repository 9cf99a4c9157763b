-- migrate:up

-- `titan prove` works as this role: it reads the books and everything beside them, and can write
-- nothing at all.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'titan_proof') THEN
        CREATE ROLE titan_proof NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the whole server: a twin migration was quicker
END
$$;
GRANT titan_proof TO CURRENT_USER;

GRANT SELECT ON
    inbox, payments, accounts, directory_handles, directory_changes,
    ledger_accounts, ledger_postings, ledger_entries, ledger_holds
TO titan_proof;

-- migrate:down

REVOKE ALL ON
    inbox, payments, accounts, directory_handles, directory_changes,
    ledger_accounts, ledger_postings, ledger_entries, ledger_holds
FROM titan_proof;
