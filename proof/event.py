"""A record as bytes, read anew: what it says of its payment or request, or that it says nothing.

Stricter readers exist (schemas/); this one asks only for what a proof uses and for the frame that
makes an event of a record. It shares no line with them, so that a mistake there shows here.
"""

import struct
from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from proof.route import (
    CHANGES,
    CONFLICTED,
    NOT_OPENED,
    OPENED,
    POSTED,
    REFUSED,
    REQUESTED,
    RESOLVED,
    SCREENED,
)

ZERO_ID: Final = bytes(16)
NO_CURRENCY: Final = b"   "

_AMOUNT_MINOR_MAX: Final = 2**62
_CURRENCY_LENGTH: Final = 3
_DAY_US: Final = 86_400_000_000
_MALFORMED: Final = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
_versions: Final = struct.Struct(">QQ").pack


class Said(NamedTuple):
    """What an event says about money; which fields mean what depends on its topic.

    Ids are 16 bytes, text is digested to 16. Absent is zero.
    """

    amount_minor: int = 0
    one: bytes = ZERO_ID
    """The payer: the account; of payment.requested the digest of the handle."""
    two: bytes = ZERO_ID
    """The payee, likewise."""
    currency: bytes = NO_CURRENCY
    digest: bytes = ZERO_ID
    """Of the body (payment.requested), of the reason (payment.refused)."""
    more: bytes = ZERO_ID
    """Versions of both handles, the posting, or the fingerprint's digest."""


class Fact(NamedTuple):
    """Something that a table must say as well, or that only later events rely on."""

    digest: bytes
    is_in_table: bool = True


class Read(NamedTuple):
    """An event, as far as a proof uses it. Times are microseconds since 1970."""

    subject: bytes
    started_us: int
    event_id: bytes
    idempotency_id: bytes
    cause: bytes | None
    source: bytes
    time_us: int
    said: Said
    facts: tuple[Fact, ...]
    handle: tuple[bytes, int] | None
    """Of a change in the directory: the handle's digest and its version."""


def digest_of(*parts: object) -> bytes:
    """16 bytes for some texts; the tables are digested alike (proof/tables.py)."""
    return sha256("|".join(map(str, parts)).encode()).digest()[:16]


def read_record(
    topic: str,
    *,
    key_fields: Iterable[str],
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
) -> Read | None:
    """The event in a record of a topic of the map; None if the record is no event."""
    try:
        attributes: dict[str, Any] = dict(headers)
        if attributes["ce_type"] != topic.encode() or key is None or value is None:
            return None
        body = from_json(value)
        if key != _key_of(body, key_fields):
            return None
        cause = attributes.get("causation_id")
        subject, started_us = _chain_of(topic, body)
        attributes["ce_source"].decode()
        (attributes.get("traceparent") or b"").decode()
        said, facts, handle = _said_of(topic, body)
        return Read(
            subject,
            started_us,
            _id(attributes["ce_id"].decode()),
            _id(attributes["idempotency_id"].decode()),
            None if cause is None else _id(cause.decode()),
            attributes["ce_source"],
            _us(attributes["ce_time"].decode()),
            said,
            facts,
            handle,
        )
    except _MALFORMED:
        return None


def read_outcome(topic: str, outcome: str) -> tuple[bytes, int, Said, tuple[Fact, ...]] | None:
    """What an inbox's stored outcome says, before it is an event: subject, start, rest."""
    try:
        body = from_json(outcome)
        subject, started_us = _chain_of(topic, body)
        said, facts, _ = _said_of(topic, body)
    except _MALFORMED:
        return None
    return subject, started_us, said, facts


def is_plausible(started_us: int, appended_ms: int, *, age_days: int, ahead_days: int) -> bool:
    """Whether a chain that began then can have a record appended at that time."""
    appended_us = appended_ms * 1_000
    # A stage compares calendar days by its own clock: a day more on either side.
    return (
        appended_us - (age_days + 1) * _DAY_US
        <= started_us
        <= appended_us + (ahead_days + 1) * _DAY_US
    )


def _key_of(body: dict[str, Any], fields: Iterable[str]) -> bytes:
    for name in fields:
        if name in body:
            return str(body[name]).encode()
    return str(body["payment_id"]).encode()


def _chain_of(topic: str, body: dict[str, Any]) -> tuple[bytes, int]:
    if topic.startswith("payment."):
        return _id(body["payment_id"]), _us(body["accepted_at"])
    return _id(body["request_id"]), _us(body["requested_at"])


def _id(text: str) -> bytes:
    raw = bytes.fromhex(text.replace("-", ""))
    if len(raw) != len(ZERO_ID):
        raise ValueError(text)
    return raw


def _us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * 1_000_000)


def _money(body: dict[str, Any]) -> tuple[int, bytes]:
    amount_minor, currency = body["amount_minor"], body["currency"].encode("ascii")
    if type(amount_minor) is not int or not 1 <= amount_minor < _AMOUNT_MINOR_MAX:
        raise ValueError(amount_minor)
    if len(currency) != _CURRENCY_LENGTH:
        raise ValueError(currency)
    return amount_minor, currency


def _requested(body: dict[str, Any]) -> Said:
    amount_minor, currency = _money(body)
    payer, payee, fingerprint = body["from_handle"], body["to_handle"], body["fingerprint"]
    digest = digest_of(
        body["client_id"],
        payer,
        payee,
        amount_minor,
        body["currency"],
        body["payment_type"],
        fingerprint,
    )
    one, two = digest_of(payer), digest_of(payee)
    return Said(amount_minor, one, two, currency, digest, digest_of(fingerprint))


def _resolved(body: dict[str, Any]) -> Said:
    amount_minor, currency = _money(body)
    return Said(
        amount_minor,
        _id(body["payer_account_id"]),
        _id(body["payee_account_id"]),
        currency,
        more=_versions(body["from_handle_version"], body["to_handle_version"]),
    )


def _screened(body: dict[str, Any]) -> Said:
    amount_minor, currency = _money(body)
    payer, payee = _id(body["payer_account_id"]), _id(body["payee_account_id"])
    return Said(amount_minor, payer, payee, currency)


def _posted(body: dict[str, Any]) -> Said:
    return _screened(body)._replace(more=_id(body["posting_id"]))


def _refused(body: dict[str, Any]) -> Said:
    payer = body.get("payer_account_id")
    one = ZERO_ID if payer is None else _id(payer)
    return Said(one=one, digest=digest_of(body["code"]))


def _conflicted(body: dict[str, Any]) -> Said:
    return Said(more=digest_of(body["fingerprint"]))


_SAID: Final[dict[str, Callable[[dict[str, Any]], Said]]] = {
    REQUESTED: _requested,
    RESOLVED: _resolved,
    SCREENED: _screened,
    POSTED: _posted,
    REFUSED: _refused,
    CONFLICTED: _conflicted,
}


def _said_of(
    topic: str, body: dict[str, Any]
) -> tuple[Said, tuple[Fact, ...], tuple[bytes, int] | None]:
    read = _SAID.get(topic)
    if read is not None:
        return read(body), (), None
    if topic == OPENED:
        return Said(), _opened(body), None
    if topic in CHANGES:
        return _changed(CHANGES[topic], body)
    if topic == NOT_OPENED:
        str(body["code"])
    return Said(), (), None


def _opened(body: dict[str, Any]) -> tuple[Fact, ...]:
    """The account's profile, and the account in the ledger: only a system account may owe."""
    account, kind, currency = _id(body["account_id"]).hex(), body["kind"], body["currency"]
    minimum_minor = -(2**63) if kind == "system" else 0
    return (
        Fact(digest_of("account", account, body["client_id"], kind, body["tier"], currency)),
        Fact(digest_of("ledger", account, currency, minimum_minor)),
    )


def _changed(
    kind: str, body: dict[str, Any]
) -> tuple[Said, tuple[Fact, ...], tuple[bytes, int] | None]:
    handle, version = body["handle"], body.get("version", "")
    account = _id(body["account_id"]).hex() if "account_id" in body else ""
    request = _id(body["request_id"]).hex()
    change = Fact(
        digest_of("change", request, kind, handle, version, account, body.get("code", ""))
    )
    if kind == "refused":
        return Said(), (change,), None
    entry = Fact(digest_of("handle", handle, version, account), is_in_table=False)
    facts = [change, entry]
    if account:
        name = name_of(digest_of(handle), version, bytes.fromhex(account), body["currency"])
        facts.append(Fact(name, is_in_table=False))
    return Said(), tuple(facts), (digest_of(handle), version)


def name_of(handle: bytes, version: int, account: bytes, currency: str) -> bytes:
    """The digest of what a handle, given by its digest, names in one of its versions."""
    return digest_of("name", handle.hex(), version, account.hex(), currency)
