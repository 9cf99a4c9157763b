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

COMMIT_INTERVAL_S: Final = 0.25
"""Between two commits of a stage's offsets: a killed stage repeats so much of its work."""

GATHER_MS: Final = 40
"""How long the broker gathers records for a stage that no payment waits for."""

TELL_GATHER_MS: Final = 250
"""The same for a stage that only tells people: at 100 payments/s it
costs two fifths of what it would with GATHER_MS."""

GATHER_BYTES: Final = 64 * 1024
"""So many gathered bytes end that wait."""

REVOKE_WAIT_S: Final = 20.0
"""How long a rebalance waits for the batch in progress. > BATCH_S_MAX, < the rebalance timeout."""

DEAD_LETTER_RUN_MAX: Final = 100
"""Records in a row of one partition that nobody can understand: then the stage halts."""

DEAD_LETTER_BYTES_MAX: Final = 240_000
"""Of a record too large, so much is kept with its story, and the cut is said; < a record's most."""

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

TAIL_WAIT_MS: Final = 100
"""How long a tail's fetch waits in the broker: a proof of freshness waits behind it."""

TAIL_PROOF_S: Final = 0.2
"""Pause between two proofs that a tail has seen all there is."""

TAIL_PROOF_S_MAX: Final = 0.6
"""A proof that takes longer is given up and begun anew."""

TAIL_FRESH_S_MAX: Final = 0.9
"""So long after a proof a tail counts as fresh: what it keeps up to date is at most this stale."""

TAIL_STUCK_S: Final = 20.0
"""A tail that proved nothing and was handed nothing for so long begins again on new connections."""

TAIL_RESTART_S: Final = 0.5
"""Pause before a tail that lost its place begins again; with jitter."""

# -- Topics, dead letters and the start-up check ---------------------------------------------
TOPIC_ADMIN_REQUEST_MS_MAX: Final = 10_000
"""One request about topics to the broker takes no longer."""

TOPIC_ADMIN_S_MAX: Final = 60.0
"""A whole plan or apply takes no longer."""

TOPIC_READY_S_MAX: Final = 15.0
"""After a change, the broker shows it by then, and new partitions have their leaders."""

TOPIC_READY_POLL_S: Final = 0.02
"""Pause between two looks whether it does."""

LAG_SAMPLE_INTERVAL_S: Final = 1.0
"""Pause between two looks at the pipeline's lag."""

LAG_SAMPLE_S_MAX: Final = 5.0
"""One look takes no longer."""

LAG_SAMPLE_FRESH_S: Final = 10.0
"""An older sample says nothing: then nobody is turned away because of it."""

LAG_RETRY_AFTER_S: Final = 2
"""What Retry-After says to a payment that is turned away because the pipeline is full."""

DEAD_LETTER_READ_S_MAX: Final = 10.0
"""Waiting for dead letters that are known to lie there; then the broker counts as unavailable."""

# -- PostgreSQL -----------------------------------------------------------------------------
DATABASE_COMMAND_S_MAX: Final = 10.0
"""The client gives a statement up after this long; by then the server has, or it is gone."""

DATABASE_ACQUIRE_S_MAX: Final = 5.0
"""Wait for a free connection of the pool."""

DATABASE_CONNECT_S_MAX: Final = 5.0
"""Opening a connection takes no longer."""

DATABASE_STATEMENT_MS_MAX: Final = 10_000
"""The server cancels a statement that runs longer."""

DATABASE_LOCK_MS_MAX: Final = 5_000
"""The server gives a wait for a lock up after this long; the batch comes again."""

DATABASE_IDLE_IN_TRANSACTION_MS_MAX: Final = 15_000
"""The server ends a transaction that does nothing for this long: its locks would stop others."""

DATABASE_POOL_SIZE_MAX: Final = 4
"""Connections of one stage or edge process."""

# -- Waiting for a change -------------------------------------------------------------------
CHANGES_POLL_S: Final = 0.25
"""Rows that somebody waits for are looked at this often even when no notification comes."""

CHANGES_HEARTBEAT_S: Final = 5.0
"""A listening connection that was silent this long is asked whether it lives."""

CHANGES_RECONNECT_S: Final = 1.0
"""Pause before a lost listening connection is opened again, with jitter; polling goes on."""

WAITERS_MAX: Final = 10_000
"""Keys waited for at once in one process: all of them go into one query."""

INSTANCE_WAIT_S_MAX: Final = 10.0
"""How long a process waits for its name: a killed predecessor's connection ends within that."""

# -- Redis ----------------------------------------------------------------------------------
CACHE_CONNECT_S_MAX: Final = 0.5
"""Opening a connection to the cache takes no longer."""

CACHE_COMMAND_S_MAX: Final = 0.25
"""A cache that is slower than this is treated as absent."""

CACHE_REST_S: Final = 1.0
"""An absent cache is not asked again for this long, so that nobody pays the wait each time."""

QUICK_CLAIM_S: Final = 60
"""A claim on an idempotency key of which nothing more was heard is forgotten after this."""

QUICK_ANSWER_S: Final = 600
"""A payment that is, or may be, in the log is remembered so long: the projection has it by then."""

SIGHT_S: Final = 300
"""A handle's entry in the cache lives half of this to all of it, so that not all expire at once."""

NEAR_SIGHT_S: Final = 60
"""A handle that an edge process keeps in its own memory is read anew after half of this to all."""

NEAR_SIGHTS_MAX: Final = 10_000
"""Handles that one edge process keeps in its own memory: some 5 MB."""

UNCLAIMED_SIGHT_S: Final = 5
"""An entry for a handle that nobody claimed lives so short: anybody can ask for any number."""

LOOKUP_S_MAX: Final = 2.0
"""A look-up of handles in the database takes no longer; past it the answer is 503."""

LOOKUP_JOIN_S_MAX: Final = 0.25
"""A look-up that is under way is joined for this long; then a newer one is begun."""

OUTCOME_WAIT_S: Final = 2.0
"""A claim, port or release waits so long for its outcome; then the answer is 202."""

DECISION_NOTE_S: Final = 600
"""An accepted request is remembered as such for this long while nothing is decided."""

# -- HTTP -----------------------------------------------------------------------------------
BODY_BYTES_MAX: Final = 64 * 1024
"""A request's body is at most this large (413)."""

BODY_S_MAX: Final = 10.0
"""A body that has not arrived whole by then is given up (408)."""

UNAVAILABLE_RETRY_AFTER_S: Final = 1
"""What Retry-After says when a dependency is down or an outcome is not known."""

HEALTH_CHECK_S_MAX: Final = 1.0
"""A dependency that has not answered a health check by then counts as down."""

BULK_BODY_BYTES_MAX: Final = 1024 * 1024
"""The body of a bulk of payments is at most this large (413)."""

BULK_PAYMENTS_MAX: Final = 1_000
"""Payments in one bulk request."""

ACCEPT_BATCH_MAX: Final = 500
"""Payments that an edge looks up and publishes together."""

ACCEPT_BATCHES_IN_FLIGHT_MAX: Final = 2
"""Batches under way at once; what arrives meanwhile makes the next one larger, thus cheaper."""

ACCEPT_QUEUE_MAX: Final = 10_000
"""Payments that wait for a batch; past it new ones are turned away (503)."""

ACCEPT_LOOKUP_S_MAX: Final = 1.0
"""The projection is asked for no longer than this whether a key was used; then without it."""

ACCEPT_LOOKUP_REST_S: Final = 1.0
"""A projection that did not answer is not asked again for this long."""

EDGE_CONNECTIONS_MAX: Final = 1_000
"""Open connections of one edge (503 beyond); fewer than the files a process may have open."""

EDGE_KEEP_ALIVE_S: Final = 5.0
"""An idle connection is kept this long for the client's next request."""

EDGE_STOP_S_MAX: Final = 5.0
"""On SIGTERM an edge answers the requests it has within so long, then ends."""

JSON_DEPTH_MAX: Final = 16
"""A body nests its objects and lists no deeper."""

DESCRIPTION_CHARACTERS_MAX: Final = 140
"""Characters of a payment's description."""

IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255
"""Characters of an idempotency key."""

WAIT_S_MAX: Final = 10
"""Longest `Prefer: wait=n`."""

ACCOUNT_WAIT_S: Final = 2.0
"""How long POST /accounts waits for the account to stand before it answers 202."""

PAGE_ROWS_MAX: Final = 100
"""Rows of one page of a list."""

PAGE_ROWS_DEFAULT: Final = 20
"""Rows of a page when the client does not say."""

# -- Replay ---------------------------------------------------------------------------------
REPLAY_FETCH_BYTES: Final = 1024 * 1024
"""Of each partition the broker hands out so much at once; more gains nothing."""

REPLAY_READ_S_MAX: Final = 30.0
"""Waiting for records that are known to lie there; then the broker counts as unavailable."""

REPLAY_STATEMENT_S_MAX: Final = 1_800.0
"""One statement over a whole rebuilt table takes no longer."""

REPLAY_CHUNK_ROWS: Final = 20_000
"""Rows that one reader holds before it copies them out: some 20 MB."""

REPLAY_PARALLEL_RECORDS_MIN: Final = 100_000
"""Fewer records are read in this process: starting others would take longer."""

REPLAY_READERS_MAX: Final = 8
"""Processes that read the log at once, one a core; the database then has enough to do."""

REPLAY_TAIL_RECORDS_MAX: Final = 200_000
"""Events that the living table may or may not have: so many are weighed one by one in memory."""

REPLAY_GAP_RECORDS: Final = 2_000
"""So near to the end of the log a replay begins to compare, or to swap."""

REPLAY_CATCH_UPS_MAX: Final = 50
"""Rounds of reading what came meanwhile; then payments come faster than they can be replayed."""

REPLAY_HOLD_S_MAX: Final = 2.0
"""A swap lets nobody write for so long at most; then it lets go and tries again."""

REPLAY_HOLD_LOCK_MS_MAX: Final = 300
"""A swap waits so long for the table: whoever comes after it waits behind it."""

REPLAY_HOLD_PAUSE_S: Final = 0.5
"""Pause before a swap tries again; with jitter."""

REPLAY_HOLDS_MAX: Final = 20
"""Tries of one swap."""

ARCHIVE_SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""Values of so many bytes make a segment of an archive: a reader holds one at a time."""
