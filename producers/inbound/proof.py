"""Whether a message is its provider's: by what it signed, under a secret, and lately.

Pure, but for the scheme whose keys have to be asked for (keys.py). Signatures are compared in
constant time; whatever is wrong, the provider is told the same.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.errors import Invalid
from producers.inbound.providers import Hmac, StandardWebhooks, TimestampedHmac
from runtime import standard_webhooks
from runtime.standard_webhooks import TOLERANCE_S

_ENTRIES_MAX: Final = 16
"""Signatures that one header may list: a rotation takes two."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came: header values by lower-case name, but none that came twice."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value; Invalid if it is not there exactly once."""
        value = self.headers.get(name.lower())
        if value is None:
            raise not_signed()
        return value


class Check(Protocol):
    """How one provider proves itself."""

    async def __call__(self, message: Received, *, now_s: int) -> str:
        """The digest of what was signed, in hexadecimal.

        Invalid `webhook_signature` if it is not the provider's; Unavailable if nobody can tell.
        """
        ...


class HmacCheck:
    """A signature in one header, the time in another."""

    def __init__(self, rule: Hmac, secrets: Sequence[str]) -> None:
        self._rule = rule
        self._secrets = [secret.encode() for secret in secrets]

    async def __call__(self, message: Received, *, now_s: int) -> str:
        """See Check."""
        rule = self._rule
        timestamp = message.header(rule.timestamp_header)
        demand_near(timestamp, now_s)
        parts = [self._part(part, message, timestamp) for part in rule.signed]
        signed = b".".join(parts)
        given = message.header(rule.signature_header)
        if not given.startswith(rule.prefix):
            raise not_signed()
        return _demand_one(self._secrets, signed, [given.removeprefix(rule.prefix)], rule.encoding)

    @staticmethod
    def _part(part: str, message: Received, timestamp: str) -> bytes:
        if part == "body":
            return message.body
        if part == "timestamp":
            return timestamp.encode("latin-1")
        return message.header(part.partition(":")[2]).encode("latin-1")


class TimestampedHmacCheck:
    """Time and signatures in one header."""

    def __init__(self, rule: TimestampedHmac, secrets: Sequence[str]) -> None:
        self._rule = rule
        self._secrets = [secret.encode() for secret in secrets]

    async def __call__(self, message: Received, *, now_s: int) -> str:
        """See Check."""
        entries = [entry.partition("=") for entry in message.header(self._rule.header).split(",")]
        times = [value for name, _, value in entries if name.strip() == "t"]
        if len(times) != 1 or len(entries) > _ENTRIES_MAX:
            raise not_signed()
        demand_near(times[0], now_s)
        given = [value for name, _, value in entries if name.strip() == self._rule.version]
        return _demand_one(self._secrets, times[0].encode() + b"." + message.body, given, "hex")


class StandardWebhooksCheck:
    """Standard Webhooks 1.0, as we sign our own."""

    def __init__(self, _rule: StandardWebhooks, secrets: Sequence[str]) -> None:
        self._verifiers = [standard_webhooks.Verifier(secret) for secret in secrets]

    async def __call__(self, message: Received, *, now_s: int) -> str:
        """See Check."""
        names = (
            standard_webhooks.ID_HEADER,
            standard_webhooks.TIMESTAMP_HEADER,
            standard_webhooks.SIGNATURE_HEADER,
        )
        id_, timestamp, signatures = (message.header(name) for name in names)
        if not id_.isascii() or not timestamp.isascii() or signatures.count(" ") >= _ENTRIES_MAX:
            raise not_signed()
        for verifier in self._verifiers:
            try:
                verifier.verify(message.headers, message.body, now_s=now_s)
            except Invalid:
                continue
            return hashlib.sha256(f"{id_}.{timestamp}.".encode() + message.body).hexdigest()
        raise not_signed()


def demand_near(timestamp: str, now_s: int) -> None:
    """Invalid unless a time in seconds since 1970 is within the tolerance, before or after."""
    if not _TIMESTAMP.match(timestamp) or abs(int(timestamp) - now_s) > TOLERANCE_S:
        raise not_signed()


def not_signed() -> Invalid:
    """The same words whatever is wrong: they teach nobody to sign."""
    return Invalid("webhook_signature", "the signature does not hold")


def _demand_one(
    secrets: Sequence[bytes], signed: bytes, given: Sequence[str], encoding: str
) -> str:
    """The digest of what was signed, if one of the signatures is by one of the secrets."""
    is_ours = False
    for secret in secrets:
        digest = hmac.digest(secret, signed, hashlib.sha256)
        right = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
        for each in given:
            is_ours |= hmac.compare_digest(right.encode(), each.encode("latin-1", "replace"))
    if not is_ours:
        raise not_signed()
    return hashlib.sha256(signed).hexdigest()
