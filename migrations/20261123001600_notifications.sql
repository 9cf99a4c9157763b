-- migrate:up

-- Everybody who is told of something, how they want to be told, and how many notifications there
-- have been. Who plans for them locks the row, so numbers are given in the order of commits.
CREATE TABLE notification_recipients (
    client_id    text COLLATE "C" PRIMARY KEY,
    person_id    uuid,
    last_number  bigint  NOT NULL DEFAULT 0 CHECK (last_number >= 0),
    locale       text,
    time_zone    text,
    quiet_begin  time,
    quiet_end    time,
    push_detail  text,
    email_detail text,
    choices      text[]  NOT NULL DEFAULT '{}',
    CHECK ((quiet_begin IS NULL) = (quiet_end IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX notification_recipients_by_person ON notification_recipients (person_id)
    WHERE person_id IS NOT NULL;

-- Where pushes go. A token has one owner at a time; it is sealed under that person's own key.
CREATE TABLE notification_devices (
    device_id     uuid        PRIMARY KEY,
    person_id     uuid        NOT NULL,
    platform      text        NOT NULL CHECK (platform IN ('apns', 'fcm')),
    token_sealed  text        NOT NULL,
    token_index   text        NOT NULL CHECK (token_index ~ '^[0-9a-f]{64}$'),
    registered_at timestamptz NOT NULL,
    UNIQUE (platform, token_index)
);
CREATE INDEX notification_devices_by_person ON notification_devices (person_id, registered_at);

-- What somebody is told of: one row an event and recipient, or one for the rest of a burst. No
-- text: it is written when it is read or sent, in the reader's language.
CREATE TABLE notifications (
    notification_id uuid        PRIMARY KEY,
    client_id       text COLLATE "C" NOT NULL,
    person_id       uuid,
    account_id      uuid,
    subject         text        NOT NULL,
    event_id        uuid        NOT NULL,
    payment_id      uuid,
    rank            smallint    NOT NULL,
    amount_minor    bigint,
    currency        text,
    code            text,
    count           integer     NOT NULL CHECK (count >= 1),
    occurred_at     timestamptz NOT NULL,
    planned_at      timestamptz NOT NULL,
    number          bigint      NOT NULL,
    is_shown        boolean     NOT NULL,
    read_at         timestamptz
);
CREATE INDEX notifications_by_client ON notifications (client_id, number) WHERE is_shown;
CREATE INDEX notifications_by_account ON notifications (client_id, account_id, number)
    WHERE is_shown;
CREATE INDEX notifications_unread ON notifications (client_id, account_id)
    WHERE is_shown AND read_at IS NULL;
CREATE INDEX notifications_by_payment ON notifications (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX notifications_by_person ON notifications (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX notifications_by_age ON notifications USING brin (planned_at);

-- What has to leave the house. A row is waiting until it has an end.
CREATE TABLE notification_deliveries (
    delivery_id     uuid        PRIMARY KEY,
    notification_id uuid        NOT NULL REFERENCES notifications ON DELETE CASCADE,
    person_id       uuid        NOT NULL,
    channel         text        NOT NULL CHECK (channel IN ('apns', 'fcm', 'email')),
    device_id       uuid,
    payment_id      uuid,
    rank            smallint    NOT NULL,
    planned_at      timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    state           text        NOT NULL DEFAULT 'waiting' CHECK (
        state IN ('waiting', 'sent', 'expired', 'unwanted', 'undeliverable', 'refused')),
    attempts        integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    reason          text,
    ended_at        timestamptz,
    CHECK ((state = 'waiting') = (ended_at IS NULL)),
    CHECK ((channel = 'email') = (device_id IS NULL))
);
CREATE INDEX notification_deliveries_due ON notification_deliveries (channel, due_at)
    WHERE state = 'waiting';
CREATE INDEX notification_deliveries_waiting ON notification_deliveries (payment_id)
    WHERE state = 'waiting' AND payment_id IS NOT NULL;
CREATE INDEX notification_deliveries_expiring ON notification_deliveries (expires_at)
    WHERE state = 'waiting';
CREATE INDEX notification_deliveries_ended ON notification_deliveries (ended_at)
    WHERE ended_at IS NOT NULL;
CREATE INDEX notification_deliveries_of ON notification_deliveries (notification_id);
CREATE INDEX notification_deliveries_by_person ON notification_deliveries (person_id);

-- How many notifications on one subject there were about an account, or a person, in this minute.
CREATE TABLE notification_bursts (
    holder_id uuid        NOT NULL,
    subject   text        NOT NULL,
    began_at  timestamptz NOT NULL,
    told      integer     NOT NULL CHECK (told >= 1),
    PRIMARY KEY (holder_id, subject)
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE ON notification_recipients, notification_bursts TO titan_app;
GRANT SELECT, INSERT, DELETE ON notification_devices TO titan_app;
GRANT UPDATE (token_sealed, registered_at) ON notification_devices TO titan_app;
GRANT SELECT, INSERT, DELETE ON notifications, notification_deliveries TO titan_app;
GRANT UPDATE (amount_minor, count, occurred_at, number, read_at) ON notifications TO titan_app;
GRANT UPDATE (due_at, state, attempts, reason, ended_at) ON notification_deliveries TO titan_app;

-- Of somebody who was forgotten nothing is kept here, and nobody is told anything any more.
SELECT titan_keys.declare_trace(relation, 'person_id', NULL) FROM unnest(ARRAY[
    'notification_deliveries', 'notification_devices', 'notification_recipients', 'notifications'
]) AS relation;

-- migrate:down
DELETE FROM titan_keys.traces WHERE relation IN (
    'notification_deliveries', 'notification_devices', 'notification_recipients', 'notifications');
DROP TABLE notification_bursts;
DROP TABLE notification_deliveries;
DROP TABLE notifications;
DROP TABLE notification_devices;
DROP TABLE notification_recipients;
