"""Every metric of the house, one closed list: name, unit and meaning. Labels hold no ids."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)

LAG_RECORDS: Final = Gauge(
    "titan_stage_lag_records", "Records not yet handled, per group and topic", ["group", "topic"]
)
LAG_SAMPLE_FAILURES: Final = Counter(
    "titan_lag_sample_failures", "Looks at the pipeline's lag that the broker did not answer"
)
ADMISSION_REFUSALS: Final = Counter(
    "titan_admission_refusals", "Payments turned away because the pipeline is full"
)
LAG_SECONDS: Final = Gauge(
    "titan_stage_lag_seconds", "Age of the oldest record of the newest batch", ["group"]
)
BATCH_RECORDS: Final = Histogram(
    "titan_stage_batch_records", "Records in a batch", ["stage"], buckets=_SIZES
)
BATCH_SECONDS: Final = Histogram(
    "titan_stage_batch_seconds",
    "From a batch's arrival to its commit",
    ["stage"],
    buckets=_LATENCY_S,
)
OUTCOMES: Final = Counter(
    "titan_stage_outcomes", "Outcomes published, by event", ["stage", "outcome"]
)
REPEATS: Final = Counter(
    "titan_stage_repeats", "Events answered from the inbox instead of decided anew", ["stage"]
)
CONFLICTS: Final = Counter(
    "titan_stage_conflicts", "Events whose id was taken by other contents", ["stage"]
)
DEAD_LETTERS: Final = Counter(
    "titan_stage_dead_letters", "Records nobody could understand", ["stage", "topic", "code"]
)
RETRIES: Final = Counter(
    "titan_stage_retries", "Batches tried again because a dependency was down", ["stage"]
)
HALTED: Final = Gauge(
    "titan_stage_halted",
    "1 while the stage has stopped because of too many dead letters",
    ["stage"],
)
PUBLISH_SECONDS: Final = Histogram(
    "titan_publish_seconds",
    "From a publish to all its acknowledgements",
    ["role"],
    buckets=_LATENCY_S,
)
PUBLISH_UNKNOWN: Final = Counter(
    "titan_publish_unknown", "Publishes whose outcome is not known", ["role"]
)
OUTBOX_PUBLISHED: Final = Counter(
    "titan_outbox_published", "Records that the relay has published from the outbox"
)
OUTBOX_AGE_SECONDS: Final = Gauge(
    "titan_outbox_age_seconds", "Age of the oldest record that waits in the outbox; 0: none waits"
)
NOTIFICATIONS_CARRIED: Final = Counter(
    "titan_notifications_carried",
    "Tries to bring a notification out of the house, by fate: sent, gone, refused, later",
    ["channel", "fate"],
)
CACHE_LOOKUPS: Final = Counter(
    "titan_cache_lookups", "Look-ups by result: hit, negative, miss, down", ["cache", "result"]
)
HTTP_SECONDS: Final = Histogram(
    "titan_http_seconds", "From request to answer", ["route", "status"], buckets=_LATENCY_S
)
VAULT_HOUSE_MESSAGES: Final = Gauge(
    "titan_vault_house_messages", "Messages that were sealed under the house's key, by all"
)
VAULT_WORN_KEYS: Final = Counter(
    "titan_vault_worn_keys", "Data keys whose messages reached the alarm and got a successor"
)
EVENT_LOOP_LAG_SECONDS: Final = Gauge(
    "titan_event_loop_lag_seconds", "How late the event loop woke a sleeper; heartbeats share it"
)
WEBHOOK_ATTEMPTS: Final = Counter(
    "titan_webhook_attempts", "Attempts to deliver a webhook, by what came of them", ["outcome"]
)
WEBHOOK_LATE_SECONDS: Final = Histogram(
    "titan_webhook_late_seconds",
    "From when a delivery was due to its claim",
    buckets=_LATENCY_S,
)
