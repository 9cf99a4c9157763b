"""Makes one attempt: signs the event as it is kept, sends it, and says what came of it."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeVar

from domain.errors import Defect, Unavailable
from domain.webhook import REPLY_PURPOSE, SECRET_PURPOSE, URL_PURPOSE, Outcome, outcome_of
from producers.webhook_delivery import limits
from producers.webhook_delivery.claims import Claim
from runtime.clock import Clock
from runtime.outgoing import Outgoing, OutgoingFailure
from runtime.standard_webhooks import Signer, signed_headers
from runtime.vault import Forgotten, Vault
from runtime.webhook_words import Word, Words

_HEADERS: Final = [("content-type", "application/json"), ("user-agent", "Titan-Webhooks/1")]
_SECONDS_DIGITS_MAX: Final = 9

T = TypeVar("T")


class Finished(NamedTuple):
    """An attempt that has ended; the begin of the reply is sealed."""

    claim: Claim
    started_at: datetime
    latency_ms: int
    outcome: Outcome
    status: int | None = None
    reply_sealed: str | None = None
    retry_after_s: int | None = None


class Sender:
    """Makes attempts, any number at once."""

    def __init__(self, outgoing: Outgoing, vault: Vault, *, clock: Clock) -> None:
        self._outgoing = outgoing
        self._vault = vault
        self._clock = clock
        self._signers: OrderedDict[str, Signer] = OrderedDict()
        self._urls: OrderedDict[str, str] = OrderedDict()

    async def attempt(self, claim: Claim) -> Finished:
        """Send a delivery once. Raises nothing that the endpoint could cause."""
        started_at, began_s = self._clock.now(), self._clock.monotonic_s()
        body = claim.body.encode()
        url = await self._url(claim)
        signers = [await self._signer(claim, sealed) for sealed in claim.secrets]
        if not signers:
            raise Defect(f"endpoint {claim.endpoint_id} has no secret: nothing is sent unsigned")
        timestamp_s = int(started_at.timestamp())
        headers = signed_headers(signers, str(claim.delivery_id), timestamp_s, body)
        try:
            reply = await self._outgoing.post(url, [*_HEADERS, *headers], body)
        except OutgoingFailure as failure:
            return Finished(
                claim, started_at, self._ms_since(began_s), Outcome(failure.cause.value)
            )
        return Finished(
            claim,
            started_at,
            self._ms_since(began_s),
            outcome_of(reply.status),
            reply.status,
            await self._kept(claim, reply.body),
            retry_after_s(reply.headers.get("retry-after"), self._clock.now()),
        )

    async def _signer(self, claim: Claim, sealed: str) -> Signer:
        return await self._remembered(self._signers, claim, SECRET_PURPOSE, sealed, Signer)

    async def _url(self, claim: Claim) -> str:
        return await self._remembered(self._urls, claim, URL_PURPOSE, claim.url_sealed, str)

    async def _remembered(
        self,
        known: OrderedDict[str, T],
        claim: Claim,
        purpose: str,
        sealed: str,
        made_of: Callable[[str], T],
    ) -> T:
        """What is made of a sealed text; of more than SIGNERS_MAX the oldest is forgotten."""
        found = known.get(sealed)
        if found is None:
            words = Words(self._vault, claim.client_id)
            [text] = await words.open([Word(purpose, claim.endpoint_id, sealed)])
            found = known[sealed] = made_of(text)
            if len(known) > limits.SIGNERS_MAX:
                known.popitem(last=False)
        return found

    async def _kept(self, claim: Claim, body: bytes) -> str | None:
        text = body[: limits.REPLY_KEPT_BYTES].decode(errors="replace")
        if not text:
            return None
        words = Words(self._vault, claim.client_id)
        try:
            [sealed] = await words.seal([Word(REPLY_PURPOSE, claim.delivery_id, text)])
        except (Forgotten, Unavailable):
            # The attempt was made, and is written down all the same.
            return None
        return sealed

    def _ms_since(self, began_s: float) -> int:
        return round((self._clock.monotonic_s() - began_s) * 1000)


def retry_after_s(value: str | None, now: datetime) -> int | None:
    """The pause that a Retry-After asks for, in whole seconds; None if it is absent or neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return int(text[:_SECONDS_DIGITS_MAX])
    try:
        pause = parsedate_to_datetime(text) - now
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0, -(-pause // timedelta(seconds=1)))
