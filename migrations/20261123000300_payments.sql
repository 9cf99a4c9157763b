-- migrate:up

-- The read model of payments, folded from the payment.* topics; it can be dropped and rebuilt.
-- A column is NULL until an event has said it. Text is compared byte by byte ("C"), as the fold in
-- code does, so that both find the same least value.
--
-- A payment's row is written some four times within a second. Half of each page is left free, so
-- that nine of ten of those writes find room beside the old row and touch no index (HOT).
CREATE TABLE payments (
    payment_id         uuid PRIMARY KEY,
    accepted_at        timestamptz,
    requested_at       timestamptz,
    resolved_at        timestamptz,
    screened_at        timestamptz,
    posted_at          timestamptz,
    refused_at         timestamptz,
    conflicted_at      timestamptz,
    amount_minor       bigint,
    posting_id         uuid,
    payer_account_id   uuid,
    payee_account_id   uuid,
    client_id          text COLLATE "C",
    from_handle        text COLLATE "C",
    to_handle          text COLLATE "C",
    currency           text COLLATE "C",
    payment_type       text COLLATE "C",
    refusal_code       text COLLATE "C",
    fingerprint        text COLLATE "C",
    description_sealed text COLLATE "C",
    rivals             text COLLATE "C",
    state              text GENERATED ALWAYS AS (
        CASE
            WHEN posted_at IS NOT NULL THEN 'posted'
            WHEN refused_at IS NOT NULL THEN 'refused'
            WHEN screened_at IS NOT NULL THEN 'screened'
            WHEN resolved_at IS NOT NULL THEN 'resolved'
            ELSE 'requested'
        END
    ) VIRTUAL
) WITH (fillfactor = 50);

-- Lists are in the order (accepted_at, payment_id). The second is left to a sort of the few rows
-- that were accepted in one microsecond: with it each index would be two thirds larger.
CREATE INDEX payments_by_client ON payments (client_id, accepted_at);
CREATE INDEX payments_by_payer ON payments (client_id, from_handle, accepted_at);
CREATE INDEX payments_by_payee ON payments (client_id, to_handle, accepted_at);

-- A batch of rows as it is written: what PaymentRow holds, in its order. One array of these costs
-- both sides less than an array for each column.
CREATE TYPE payment_row AS (
    payment_id         uuid,
    client_id          text,
    from_handle        text,
    to_handle          text,
    amount_minor       bigint,
    currency           text,
    payment_type       text,
    description_sealed text,
    fingerprint        text,
    accepted_at        timestamptz,
    requested_at       timestamptz,
    resolved_at        timestamptz,
    screened_at        timestamptz,
    posted_at          timestamptz,
    refused_at         timestamptz,
    conflicted_at      timestamptz,
    refusal_code       text,
    posting_id         uuid,
    payer_account_id   uuid,
    payee_account_id   uuid,
    rivals             text
);

-- The same for rows that say only how a payment went on.
CREATE TYPE payment_progress AS (
    payment_id         uuid,
    resolved_at        timestamptz,
    screened_at        timestamptz,
    posted_at          timestamptz,
    refused_at         timestamptz,
    refusal_code       text,
    posting_id         uuid,
    payer_account_id   uuid,
    payee_account_id   uuid
);

GRANT SELECT, INSERT, UPDATE ON payments TO titan_app;

-- migrate:down

DROP TYPE payment_progress;
DROP TYPE payment_row;
DROP TABLE payments;
