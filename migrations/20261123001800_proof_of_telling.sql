-- migrate:up

-- `titan prove` sees who is to be told and who was: no URL, no secret, no device, no reply.
GRANT SELECT (endpoint_id, client_id, version, event_types, created_at, disabled_at, rest_until,
              served_at)
    ON webhook_endpoints TO titan_proof;
GRANT SELECT (delivery_id, attempt, outcome) ON webhook_attempts TO titan_proof;
GRANT SELECT (event_id, strayed_at) ON webhook_strays TO titan_proof;
GRANT SELECT (client_id, choices) ON notification_recipients TO titan_proof;
GRANT SELECT ON webhook_deliveries, notifications TO titan_proof;

-- migrate:down

REVOKE ALL ON webhook_endpoints, webhook_attempts, webhook_strays, webhook_deliveries,
    notification_recipients, notifications
FROM titan_proof;
