"""What a person with secrets does at every door, rightly and wrongly."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx
import pikepdf
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from domain.errors import Invalid
from domain.handle import normalise_handle
from runtime.topics import topic_map
from tests.canaries.forms import Canaries
from tests.corpus.wire import own_source
from tests.support.asgi import Answer
from tests.support.waiting import eventually
from tests.support.whole_titan import WholeTitan

REQUESTED = "payment.requested.v1"
PATIENCE = {"Prefer": "wait=20"}
ANSWER_S_MAX = 30.0
HTTP_ERROR = 400


@dataclass
class Flows:
    """One person, and what the edges told of her requests that went wrong."""

    titan: WholeTitan
    canaries: Canaries
    refusals: list[Answer] = field(default_factory=list)
    handle: str = field(default_factory=lambda: f"h{uuid4().hex[:12]}")
    bearer: dict[str, str] = field(default_factory=dict)
    _source: str = field(default_factory=own_source)
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def ask(
        self,
        room: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Any request; what is refused is kept."""
        if room not in self._clients:
            # From an address of one's own: what others tried and failed at is not counted here.
            transport = httpx.AsyncHTTPTransport(local_address=self._source)
            self._clients[room] = httpx.AsyncClient(
                base_url=self.titan.url(room), timeout=ANSWER_S_MAX, transport=transport
            )
        answer = await self._clients[room].request(method, path, headers=headers, **request)
        if answer.status_code >= HTTP_ERROR:
            self.refusals.append(Answer(answer.status_code, dict(answer.headers), answer.content))
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def claim_and_pay(self) -> None:
        """Get a wallet, claim a handle by one's shown name, and be paid with words."""
        account = await self.ask(
            "payments", "POST", "/accounts", headers=PATIENCE, json={"currency": "USD"}
        )
        claim = {
            "handle": self.handle,
            "account_id": account.json()["id"],
            "display_name": self.canaries.display_name,
        }
        claimed = await self.ask("handles", "POST", "/handles", headers=PATIENCE, json=claim)
        assert claimed.status_code == 201, claimed.text
        seen = await self.ask("handles", "GET", f"/handles/resolve?handle={self.handle}")
        assert seen.json()["display_name"] == self.canaries.display_name
        paid = await self.ask("payments", "POST", "/payments", headers=PATIENCE, json=self.payment)
        assert paid.json()["state"] == "posted", paid.text
        assert paid.json()["description"] == self.canaries.description
        bulk = {"payments": [self.payment | {"idempotency_key": self.canaries.bank_number}]}
        await self.ask("payments", "POST", "/payments/bulk", json=bulk)

    @property
    def payment(self) -> dict[str, Any]:
        """A payment to the person, with her words."""
        return {
            "from_handle": "alice",
            "to_handle": self.handle,
            "amount": 100,
            "currency": "USD",
            "payment_type": "WALLET",
            "description": self.canaries.description,
        }

    async def sign_in(self) -> None:
        """Register, sign in rightly and wrongly, refresh, and change the password."""
        who = {"email": self.canaries.email, "password": self.canaries.password}
        named = who | {"display_name": self.canaries.display_name}
        registered = await self.ask("auth", "POST", "/auth/register", json=named)
        assert registered.status_code == 201, registered.text
        await self.ask("auth", "POST", "/auth/register", json=named)
        wrong = who | {"password": f"{self.canaries.password}!"}
        await self.ask("auth", "POST", "/auth/login", json=wrong)
        unknown = who | {"email": f"x{self.canaries.email}"}
        await self.ask("auth", "POST", "/auth/login", json=unknown)
        tokens = (await self.ask("auth", "POST", "/auth/login", json=who)).json()
        fresh = {"refresh_token": tokens["refresh_token"]}
        tokens = (await self.ask("auth", "POST", "/auth/refresh", json=fresh)).json()
        self.bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        change = {
            "current_password": self.canaries.password,
            "new_password": f"{self.canaries.password} 2",
        }
        changed = await self.ask("auth", "POST", "/auth/password", headers=self.bearer, json=change)
        assert changed.status_code == 204, changed.text

    async def be_known(self) -> None:
        """Tell who one is, prove a telephone, send papers, ask for a tier."""
        told = {
            "legal_name": self.canaries.legal_name,
            "date_of_birth": "1984-02-29",
            "ssn": self.canaries.ssn,
            "phone": self.canaries.phone,
        }
        await self._as_person("PATCH", "/users/me", json=told)
        profile = await self._as_person("GET", "/users/me")
        assert profile.json()["legal_name"] == self.canaries.legal_name
        await self._as_person("POST", "/users/me/contacts/phone/code")
        [code] = (self.titan.directory / "codes").glob(f"{profile.json()['id']}.phone.txt")
        proof = {"code": code.read_text().strip()}
        await self._as_person("POST", "/users/me/contacts/phone/verification", json=proof)
        for content_type, paper in self._papers().items():
            await self._as_person(
                "POST",
                "/users/me/kyc/documents?kind=passport",
                headers={"Content-Type": content_type},
                content=paper,
            )
        await self._as_person("POST", "/users/me/kyc/submissions", json={"tier": "verified"})
        for name, text in self.canaries.texts().items():
            wrong = {"ssn": f"{text}!", "phone": f"x{text}", "email": text, "date_of_birth": text}
            for field_name, value in (wrong | {name: [text], text: text}).items():
                await self._as_person("PATCH", "/users/me", refused=True, json={field_name: value})
            await self._as_person(
                "POST",
                "/users/me/kyc/documents?kind=passport",
                refused=True,
                headers={"Content-Type": "application/pdf"},
                content=f"%PDF-1.7 {text}".encode(),
            )

    async def _as_person(
        self,
        method: str,
        path: str,
        *,
        refused: bool = False,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Ask the users' edge as the person who signed in."""
        both = {**self.bearer, **(headers or {})}
        answer = await self.ask("users", method, path, headers=both, **request)
        assert (answer.status_code >= HTTP_ERROR) is refused, answer.text
        return answer

    def _papers(self) -> dict[str, bytes]:
        """Papers with the person's name in what their programs wrote beside the picture."""
        name = self.canaries.legal_name
        png, jpeg, pdf = io.BytesIO(), io.BytesIO(), io.BytesIO()
        info = PngInfo()
        info.add_text("Author", name)
        picture = Image.effect_noise((64, 48), 60).convert("RGB")
        picture.save(png, "PNG", pnginfo=info)
        picture.save(jpeg, "JPEG", comment=name.encode())
        with pikepdf.new() as document:
            page = document.add_blank_page(page_size=(200, 100))
            text = f"BT /F1 9 Tf ({self.canaries.street} {self.canaries.bank_number}) Tj ET"
            page.contents_add(text.encode())
            document.docinfo["/Author"] = name
            document.save(pdf, compress_streams=False)
        return {
            "image/png": png.getvalue(),
            "image/jpeg": jpeg.getvalue(),
            "application/pdf": pdf.getvalue(),
        }

    async def err(self) -> None:
        """Put each secret where it does not belong."""
        for text in self.canaries.texts().values():
            for room in self.titan.rooms:
                await self._err_at(room, text)
            await self._err_about_money(text)
            if not _is_handle(text):
                await self._err_about_handles(text)

    async def _err_about_money(self, text: str) -> None:
        for name in ("currency", "payment_type", "amount", text):
            await self.ask("payments", "POST", "/payments", json=self.payment | {name: text})
        many = {"payments": [self.payment | {"currency": text, "idempotency_key": text}]}
        await self.ask("payments", "POST", "/payments/bulk", json=many)
        await self.ask("payments", "GET", f"/payments?cursor={quote(text)}&state={quote(text)}")

    async def _err_about_handles(self, text: str) -> None:
        for path in ("/handles/resolve?handle={}", "/handles/{}/history"):
            await self.ask("handles", "GET", path.format(quote(text, safe="")))
        await self.ask("payments", "GET", f"/payments?handle={quote(text)}")
        for name in ("from_handle", "to_handle"):
            await self.ask("payments", "POST", "/payments", json=self.payment | {name: text})
        claim = {"handle": text, "account_id": text, "display_name": f"{text}\n"}
        await self.ask("handles", "POST", "/handles", json=claim)

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
        document = (await self.ask(room, "GET", "/openapi.json")).json()
        for path, methods in document["paths"].items():
            named = path.replace("{", "").replace("}", "")
            for method in methods:
                await self.ask(room, method, f"{named}?q={spoken}", headers=headers, content=broken)
        await self.ask(room, "GET", f"/{spoken}", headers={"User-Agent": spoken})
        await self.ask(room, "DELETE", f"/nothing/{spoken}", content=broken)

    async def die(self) -> None:
        """Break one of the person's own records, so that it ends as a dead letter."""
        bootstrap = self.titan.endpoints["kafka_bootstrap"]
        topic = topic_map()[REQUESTED]
        places = [TopicPartition(REQUESTED, number) for number in range(topic.partitions)]
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await consumer.start()
        await producer.start()
        try:
            consumer.assign(places)
            mine = None
            while mine is None:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    mine = next((each for each in records if self.handle in str(each.value)), mine)
            value = json.dumps(json.loads(mine.value) | {"amount_minor": -1}).encode()
            await producer.send_and_wait(REQUESTED, value, key=mine.key, headers=[*mine.headers])
        finally:
            await producer.stop()
            await consumer.stop()

        def is_told() -> bool:
            return any(REQUESTED in line for line in self.titan.command("dlq", "list", "--json"))

        await eventually(is_told, timeout_s=30)


def _is_handle(text: str) -> bool:
    """Whether it may be one: a public alias stands in clear, even if it looks like a number."""
    try:
        normalise_handle(text)
    except Invalid:
        return False
    return True
