-- migrate:up

-- What each payer has sent in the running day and window, for the limits of risk screening.
-- Rewritten often: room on the page keeps the updates off the index.
CREATE TABLE risk_payers (
    account_id        uuid        PRIMARY KEY,
    day               date        NOT NULL,
    day_amount_minor  bigint      NOT NULL CHECK (day_amount_minor >= 0),
    window_started_at timestamptz NOT NULL,
    window_payments   integer     NOT NULL CHECK (window_payments >= 0)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON risk_payers TO titan_app;

-- migrate:down
DROP TABLE risk_payers;
