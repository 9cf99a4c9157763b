-- migrate:up

-- What people tell of themselves. Each text is sealed under the person's own data key and bound to
-- its table, column and row; what titan_keys.forget clears is declared below.
CREATE TABLE people (
    person_id            uuid        PRIMARY KEY,
    version              integer     NOT NULL DEFAULT 0 CHECK (version >= 0),
    tier                 text        NOT NULL DEFAULT 'unverified'
        CHECK (tier IN ('unverified', 'verified', 'business')),
    tier_version         integer     NOT NULL DEFAULT 0 CHECK (tier_version >= 0),
    is_suspended         boolean     NOT NULL DEFAULT false,
    legal_name_sealed    text,
    date_of_birth_sealed text,
    ssn_sealed           text,
    codes_since          timestamptz,
    codes_sent           integer     NOT NULL DEFAULT 0 CHECK (codes_sent >= 0),
    created_at           timestamptz NOT NULL
);

-- Where a person can be reached, and the code on its way there. Anybody may name an address; the
-- one who reads what is sent to it has it, and nobody else then.
CREATE TABLE people_contacts (
    person_id       uuid        NOT NULL REFERENCES people,
    kind            text        NOT NULL CHECK (kind IN ('email', 'phone')),
    address_sealed  text        NOT NULL,
    address_index   text        NOT NULL CHECK (address_index ~ '^[0-9a-f]{64}$'),
    verified_at     timestamptz,
    code_index      text        CHECK (code_index ~ '^[0-9a-f]{64}$'),
    code_sent_at    timestamptz,
    code_tries      integer     NOT NULL DEFAULT 0 CHECK (code_tries >= 0),
    PRIMARY KEY (person_id, kind)
);
CREATE UNIQUE INDEX people_contacts_verified_once ON people_contacts (kind, address_index)
    WHERE verified_at IS NOT NULL;
CREATE INDEX people_contacts_by_address ON people_contacts (kind, address_index);

-- One case a request for a tier; a person has one under way at most.
CREATE TABLE kyc_cases (
    case_id      uuid        PRIMARY KEY,
    person_id    uuid        NOT NULL REFERENCES people,
    wanted       text        NOT NULL CHECK (wanted IN ('verified', 'business')),
    state        text        NOT NULL CHECK (
        state IN ('submitted', 'in_review', 'approved', 'rejected', 'more_information')),
    version      integer     NOT NULL CHECK (version >= 1),
    proposed_by  text,
    reason       text,
    submitted_at timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX kyc_cases_one_under_way ON kyc_cases (person_id)
    WHERE state IN ('submitted', 'in_review', 'more_information');
CREATE INDEX kyc_cases_by_person ON kyc_cases (person_id, submitted_at);
CREATE INDEX kyc_cases_queue ON kyc_cases (state, submitted_at, case_id);

-- Documents lie in the store, sealed under a key of their own; the key lies here, sealed in turn
-- under the person's. Without it the document is noise.
CREATE TABLE kyc_documents (
    document_id uuid        PRIMARY KEY,
    person_id   uuid        NOT NULL REFERENCES people,
    blob_id     uuid        NOT NULL UNIQUE,
    kind        text        NOT NULL,
    media_type  text        NOT NULL,
    size_bytes  bigint      NOT NULL CHECK (size_bytes > 0),
    body_index  text,
    key_sealed  text,
    stored_at   timestamptz NOT NULL
);
CREATE INDEX kyc_documents_by_person ON kyc_documents (person_id, stored_at);

-- The tier that picks a payer's limits, as the log has told risk screening.
CREATE TABLE risk_holders (
    client_id text    PRIMARY KEY,
    tier      text    NOT NULL,
    version   integer NOT NULL CHECK (version >= 1)
);

CREATE INDEX accounts_by_client ON accounts (client_id);
CREATE INDEX directory_handles_by_client ON directory_handles (client_id)
    WHERE account_id IS NOT NULL;

GRANT SELECT, INSERT ON people, people_contacts, kyc_cases, kyc_documents TO titan_app;
GRANT UPDATE (version, tier, tier_version, is_suspended, legal_name_sealed, date_of_birth_sealed,
              ssn_sealed, codes_since, codes_sent)
    ON people TO titan_app;
GRANT UPDATE, DELETE ON people_contacts TO titan_app;
GRANT UPDATE (wanted, state, version, proposed_by, reason, submitted_at, changed_at)
    ON kyc_cases TO titan_app;
GRANT SELECT, INSERT, UPDATE ON risk_holders TO titan_app;

SELECT titan_keys.declare_trace('people', 'person_id', 'legal_name_sealed');
SELECT titan_keys.declare_trace('people', 'person_id', 'date_of_birth_sealed');
SELECT titan_keys.declare_trace('people', 'person_id', 'ssn_sealed');
SELECT titan_keys.declare_trace('people_contacts', 'person_id', NULL);
SELECT titan_keys.declare_trace('kyc_documents', 'person_id', 'key_sealed');
SELECT titan_keys.declare_trace('kyc_documents', 'person_id', 'body_index');

-- migrate:down

DELETE FROM titan_keys.traces WHERE relation IN ('people', 'people_contacts', 'kyc_documents');
DROP INDEX directory_handles_by_client;
DROP INDEX accounts_by_client;
DROP TABLE risk_holders;
DROP TABLE kyc_documents;
DROP TABLE kyc_cases;
DROP TABLE people_contacts;
DROP TABLE people;
