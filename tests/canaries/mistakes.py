"""Each secret where it does not belong: in every field, header and path of every edge."""

import json
from urllib.parse import quote

from domain.errors import Invalid
from domain.handle import normalise_handle
from tests.canaries.visitor import Visitor


class Mistakes:
    """What a person who signed in does wrongly."""

    def __init__(self, by: Visitor) -> None:
        self._by = by

    async def make(self) -> None:
        """Put each secret where it does not belong."""
        for text in self._by.canaries.texts().values():
            for room in self._by.titan.rooms:
                await self._err_at(room, text)
            await self._err_about_money(text)
            await self._err_about_telling(text)
            if not _is_handle(text):
                await self._err_about_handles(text)

    async def _err_about_money(self, text: str) -> None:
        for name in ("currency", "payment_type", "amount", text):
            await self._by.ask(
                "payments", "POST", "/payments", json=self._by.payment | {name: text}
            )
        many = {"payments": [self._by.payment | {"currency": text, "idempotency_key": text}]}
        await self._by.ask("payments", "POST", "/payments/bulk", json=many)
        await self._by.ask("payments", "GET", f"/payments?cursor={quote(text)}&state={quote(text)}")

    async def _err_about_telling(self, text: str) -> None:
        for endpoint in ({"url": f"http://{text}"}, {"url": text, "event_types": [text]}):
            await self._by.as_person(
                "POST", "/webhooks/endpoints", room="webhooks", refused=True, json=endpoint
            )
        for device in ({"platform": text, "token": text}, {"platform": "fcm", "token": [text]}):
            await self._by.as_person(
                "POST", "/devices", room="notifications", refused=True, json=device
            )
        preferences = {"locale": text, "time_zone": text}
        await self._by.as_person(
            "PUT",
            "/notifications/preferences",
            room="notifications",
            refused=True,
            json=preferences,
        )
        query = f"after={quote(text)}&types={quote(text)}"
        await self._by.as_person("GET", f"/events?{query}", room="feed", refused=True)
        signed = {"webhook-id": quote(text), "webhook-timestamp": "1", "webhook-signature": text}
        await self._by.ask(
            "inbound", "POST", "/inbound/standard", headers=signed, content=text.encode()
        )

    async def _err_about_handles(self, text: str) -> None:
        for path in ("/handles/resolve?handle={}", "/handles/{}/history"):
            await self._by.ask("handles", "GET", path.format(quote(text, safe="")))
        await self._by.ask("payments", "GET", f"/payments?handle={quote(text)}")
        for name in ("from_handle", "to_handle"):
            await self._by.ask(
                "payments", "POST", "/payments", json=self._by.payment | {name: text}
            )
        claim = {"handle": text, "account_id": text, "display_name": f"{text}\n"}
        await self._by.ask("handles", "POST", "/handles", json=claim)

    async def _err_at(self, room: str, text: str) -> None:
        broken = json.dumps({"email": text})[:-1].encode()
        spoken = quote(text)
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {spoken}",
            "Cookie": f"who={spoken}",
            "User-Agent": spoken,
            "Referer": f"https://example.com/{spoken}",
            "Idempotency-Key": spoken,
            "traceparent": spoken,
        }
        document = (await self._by.ask(room, "GET", "/openapi.json")).json()
        for path, methods in document["paths"].items():
            named = path.replace("{", "").replace("}", "")
            for method in methods:
                await self._by.ask(
                    room, method, f"{named}?q={spoken}", headers=headers, content=broken
                )
        await self._by.ask(room, "GET", f"/{spoken}", headers={"User-Agent": spoken})
        await self._by.ask(room, "DELETE", f"/nothing/{spoken}", content=broken)


def _is_handle(text: str) -> bool:
    """Whether it may be one: a public alias stands in clear, even if it looks like a number."""
    try:
        normalise_handle(text)
    except Invalid:
        return False
    return True
