"""A limit on everything: each with its unit, its meaning, and what depends on it."""

from typing import Final

# -- The stage loop -------------------------------------------------------------------------
BATCH_RECORDS_MAX: Final = 1_000
"""Records in one batch, which is one commit. More gains little (docs/performance.md)."""

POLL_WAIT_MS: Final = 500
"""How long an idle consumer waits inside the broker's fetch; records end the wait at once."""

ATTEMPTS_MAX: Final = 4
"""Tries of one batch while a dependency is down, before the stage seeks back and says so."""

BACKOFF_S: Final = 0.1
"""Pause before the second try; doubles each time, with jitter."""

BACKOFF_S_MAX: Final = 2.0
"""Longest pause between tries, and between rounds of tries."""

BATCH_S_MAX: Final = 15.0
"""One try of a batch takes no longer; past it the try counts as unavailable."""

REVOKE_WAIT_S: Final = 20.0
"""How long a rebalance waits for the batch in progress. > BATCH_S_MAX, < the rebalance timeout."""

DEAD_LETTER_RUN_MAX: Final = 100
"""Records in a row of one partition that nobody can understand: then the stage halts."""

DEAD_LETTER_VALUE_BYTES_MAX: Final = 200_000
"""Of a record too large for its dead letter, this much is kept, and the cut is said."""

CHAIN_AGE_DAYS_MAX: Final = 120
"""An event whose chain began longer ago is not believable; the inbox keeps this many days."""

CHAIN_AHEAD_DAYS_MAX: Final = 1
"""An event may be dated this far in the future (clocks differ)."""

# -- The bus --------------------------------------------------------------------------------
EDGE_PUBLISH_S_MAX: Final = 3.0
"""An edge waits so long for the broker's acknowledgement; then the outcome is unknown."""

STAGE_PUBLISH_S_MAX: Final = 15.0
"""A stage waits so long; then the batch comes again."""

PUBLISHES_IN_FLIGHT_MAX: Final = 20_000
"""Records sent and not acknowledged by one publisher; past it a publish is refused at once."""

GRACEFUL_STOP_S: Final = 25.0
"""On SIGTERM: time for the batch in progress. > BATCH_S_MAX; a container's grace is 5 s more."""

FOLLOW_START_S_MAX: Final = 10.0
"""Finding one's place in the topics to follow; past it the broker counts as unavailable."""

# -- Topics and the start-up check ------------------------------------------------------------
TOPIC_ADMIN_REQUEST_MS_MAX: Final = 10_000
"""One request about topics to the broker takes no longer."""

TOPIC_ADMIN_S_MAX: Final = 60.0
"""A whole plan or apply takes no longer, the wait for new partitions' leaders included."""

TOPIC_READY_POLL_S: Final = 0.02
"""Pause between two looks whether a new topic's partitions have their leaders."""

# -- PostgreSQL -----------------------------------------------------------------------------
DATABASE_COMMAND_S_MAX: Final = 10.0
DATABASE_ACQUIRE_S_MAX: Final = 5.0
DATABASE_CONNECT_S_MAX: Final = 5.0
DATABASE_STATEMENT_MS_MAX: Final = 10_000
DATABASE_LOCK_MS_MAX: Final = 5_000
DATABASE_IDLE_IN_TRANSACTION_MS_MAX: Final = 15_000
DATABASE_POOL_SIZE_MAX: Final = 4
"""Connections of one stage or edge process."""

# -- Redis ----------------------------------------------------------------------------------
CACHE_CONNECT_S_MAX: Final = 0.5
CACHE_COMMAND_S_MAX: Final = 0.25
"""A cache that is slower than this is treated as absent."""

CACHE_REST_S: Final = 1.0
"""An absent cache is not asked again for this long, so that nobody pays the wait each time."""

# -- HTTP -----------------------------------------------------------------------------------
BODY_BYTES_MAX: Final = 64 * 1024

BODY_S_MAX: Final = 10.0
"""A body that has not arrived whole by then is given up (408)."""

UNAVAILABLE_RETRY_AFTER_S: Final = 1
"""What Retry-After says when a dependency is down or an outcome is not known."""

HEALTH_CHECK_S_MAX: Final = 1.0
"""A dependency that has not answered a health check by then counts as down."""

BULK_BODY_BYTES_MAX: Final = 1024 * 1024
BULK_PAYMENTS_MAX: Final = 1_000
JSON_DEPTH_MAX: Final = 16
DESCRIPTION_CHARACTERS_MAX: Final = 140
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255
WAIT_S_MAX: Final = 10
"""Longest `Prefer: wait=n`."""
PAGE_ROWS_MAX: Final = 100
PAGE_ROWS_DEFAULT: Final = 20
