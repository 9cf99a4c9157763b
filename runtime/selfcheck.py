"""The start-up check: whether this place is one where money is safe.

Every process asks before it works. What it finds it returns; whoever asked decides:
`demand_fit` refuses to start on a fatal finding and hands the others back, to be said aloud.
A demo may run outside the pinned settings and says so; production refuses.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from domain.errors import Invalid
from runtime.database import Database
from runtime.settings import Profile, Settings
from runtime.topic_admin import plan_topics
from runtime.topic_plan import DEAD_LETTER_SUFFIX, REPLICATION, Change, ChangeKind
from runtime.topics import TopicMap

POSTGRES_VERSION_MIN: Final = 18
"""The oldest server the house was tested on."""

PINNED_SETTINGS: Final[dict[str, str | int | bool]] = {
    "producer_acks": "all",
    "producer_idempotence": True,
    "producer_request_timeout_ms": 5_000,
    "consumer_session_timeout_ms": 20_000,
    "consumer_heartbeat_interval_ms": 3_000,
    "consumer_rebalance_timeout_ms": 30_000,
    "consumer_auto_offset_reset": "earliest",
}
"""Measured to lose no record. They can be set, so that a test may show what they guard against."""

_DURABLE: Final = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_STRONGER: Final = {"synchronous_commit": frozenset({"on", "remote_apply"})}

_APPEND_ONLY_TABLES: Final = ("ledger_entries", "ledger_postings")

_SERVER_QUERY: Final = """
    SELECT name, setting FROM pg_settings
    WHERE name = ANY($1::text[])
"""

_PRIVILEGE_QUERY: Final = """
    SELECT tables.name, privileges.name AS privilege
    FROM unnest($1::text[]) AS tables(name)
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privileges(name)
    WHERE to_regclass(tables.name) IS NOT NULL
      AND CASE privileges.name
          WHEN 'UPDATE' THEN has_any_column_privilege(current_user, tables.name, 'UPDATE')
          ELSE has_table_privilege(current_user, tables.name, privileges.name)
          END
    ORDER BY tables.name, privileges.name
"""

_MISSING_QUERY: Final = """
    SELECT tables.name FROM unnest($1::text[]) AS tables(name)
    WHERE to_regclass(tables.name) IS NULL
    ORDER BY tables.name
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it has to be, in one line with its remedy."""

    message: str
    is_fatal: bool


def demand_fit(findings: Iterable[Finding]) -> list[str]:
    """The findings that may be lived with, as lines to say aloud; Invalid names all fatal ones."""
    listed = list(findings)
    fatal = [finding.message for finding in listed if finding.is_fatal]
    if fatal:
        raise Invalid("unfit", "; ".join(fatal))
    return [finding.message for finding in listed]


def setting_findings(settings: Settings, *, joins_group: bool) -> list[Finding]:
    """Settings outside the pinned table; a process that joins a group needs a stable name too."""
    is_production = settings.profile is Profile.PRODUCTION
    findings = [
        Finding(
            f"TITAN_{name.upper()} is {getattr(settings, name)}, pinned to {pinned}: unset it",
            is_production,
        )
        for name, pinned in PINNED_SETTINGS.items()
        if getattr(settings, name) != pinned
    ]
    if is_production and joins_group and settings.instance_id is None:
        findings.append(
            Finding(
                "TITAN_INSTANCE_ID is unset: without a stable name each restart stops the whole "
                "consumer group; set one that no other process has",
                is_fatal=True,
            )
        )
    return findings


async def topic_findings(
    bootstrap: str, topics: TopicMap, *, settings: Settings, only: Collection[str] | None = None
) -> list[Finding]:
    """Topics that are missing or not as the map has them; Unavailable if the broker is down.

    `only` narrows the check to these names of the map and their dead letters. A topic of others
    is no finding.
    """
    changes = await plan_topics(
        bootstrap, topics, prefix=settings.topic_prefix, profile=settings.profile
    )
    names = None if only is None else {settings.topic_prefix + name for name in only}
    findings = [
        _topic_finding(change, settings.profile)
        for change in changes
        if change.kind is not ChangeKind.EXTRA
        and (names is None or any(_belongs(change.topic, name) for name in names))
    ]
    if settings.is_demo:
        findings.append(
            Finding(
                "demo: topics have one replica, so this machine's disk is all there is; "
                "production demands "
                f"{topics.defaults.production[REPLICATION]}",
                is_fatal=False,
            )
        )
    return findings


async def database_findings(database: Database, *, settings: Settings) -> list[Finding]:
    """What the server would lose, and what this role could falsify; Unavailable if it is down."""
    is_production = settings.profile is Profile.PRODUCTION
    async with database.connection() as connection:
        rows = await connection.fetch(_SERVER_QUERY, [*_DURABLE, "server_version_num"])
        privileges = await connection.fetch(_PRIVILEGE_QUERY, list(_APPEND_ONLY_TABLES))
        missing = await connection.fetch(_MISSING_QUERY, list(_APPEND_ONLY_TABLES))
    server = {row["name"]: row["setting"] for row in rows}
    findings = [
        Finding(
            f"PostgreSQL has {name}={server[name]}: a power cut could lose money; "
            f"set it to {value}",
            is_production,
        )
        for name, value in _DURABLE.items()
        if server[name] not in _STRONGER.get(name, {value})
    ]
    version = int(server["server_version_num"]) // 10_000
    if version < POSTGRES_VERSION_MIN:
        findings.append(
            Finding(
                f"PostgreSQL {version} is older than {POSTGRES_VERSION_MIN}, the oldest that was "
                "tested: upgrade the server",
                is_production,
            )
        )
    findings.extend(
        Finding(f"table {row['name']} is missing: apply the migrations", is_fatal=True)
        for row in missing
    )
    findings.extend(
        Finding(
            f"the application's role may {row['privilege']} {row['name']}, which is append-only: "
            "revoke it, and do not run as the owner",
            is_fatal=True,
        )
        for row in privileges
    )
    return findings


def _topic_finding(change: Change, profile: Profile) -> Finding:
    match change.kind:
        case ChangeKind.CREATE:
            return Finding(
                f"topic {change.topic} is missing: run `titan topics apply`", is_fatal=True
            )
        case ChangeKind.ALTER:
            return Finding(
                f"topic {change.topic} differs ({change.detail}): run `titan topics apply`",
                profile is Profile.PRODUCTION,
            )
        case _:
            return Finding(f"topic {change.topic} {change.detail}", is_fatal=True)


def _belongs(topic: str, name: str) -> bool:
    return topic == name or (topic.startswith(f"{name}.") and topic.endswith(DEAD_LETTER_SUFFIX))
