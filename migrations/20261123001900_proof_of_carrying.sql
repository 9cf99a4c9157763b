-- migrate:up

-- `titan prove` sees in which order pushes and letters went; a device is a number to it.
GRANT SELECT (delivery_id, payment_id, person_id, channel, device_id, rank, state, expires_at)
    ON notification_deliveries TO titan_proof;

-- migrate:down

REVOKE ALL ON notification_deliveries FROM titan_proof;
