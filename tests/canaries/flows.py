"""What a person with secrets does at every door."""

import io
import json
import time
from urllib.parse import quote
from uuid import uuid4

import pikepdf
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from runtime.topics import topic_map
from tests.canaries.visitor import Visitor
from tests.producers.inbound.senders import standard
from tests.support.waiting import eventually

REQUESTED = "payment.requested.v1"
PATIENCE = {"Prefer": "wait=20"}


class Flows(Visitor):
    """Rightly, for the most part."""

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
        self.shown |= {kind: tokens[kind] for kind in ("access_token", "refresh_token")}
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
            "email": self.canaries.email,
        }
        await self.as_person("PATCH", "/users/me", json=told)
        profile = await self.as_person("GET", "/users/me")
        assert profile.json()["legal_name"] == self.canaries.legal_name
        for kind in ("phone", "email"):
            await self.as_person("POST", f"/users/me/contacts/{kind}/code")
            [code] = (self.titan.directory / "codes").glob(f"{profile.json()['id']}.{kind}.txt")
            proof = {"code": code.read_text().strip()}
            await self.as_person("POST", f"/users/me/contacts/{kind}/verification", json=proof)
        for content_type, paper in self._papers().items():
            await self.as_person(
                "POST",
                "/users/me/kyc/documents?kind=passport",
                headers={"Content-Type": content_type},
                content=paper,
            )
        await self.as_person("POST", "/users/me/kyc/submissions", json={"tier": "verified"})
        for name, text in self.canaries.texts().items():
            wrong = {"ssn": f"{text}!", "phone": f"x{text}", "email": text, "date_of_birth": text}
            for field_name, value in (wrong | {name: [text], text: text}).items():
                await self.as_person("PATCH", "/users/me", refused=True, json={field_name: value})
            await self.as_person(
                "POST",
                "/users/me/kyc/documents?kind=passport",
                refused=True,
                headers={"Content-Type": "application/pdf"},
                content=f"%PDF-1.7 {text}".encode(),
            )

    async def be_payable(self) -> None:
        """Be paid, and pay, by the e-mail address and the telephone number that one has proven."""
        wallet = await self.as_person(
            "POST", "/users/me/wallets", headers=PATIENCE, json={"currency": "USD"}
        )
        for kind, address in (("email", self.canaries.email), ("phone", self.canaries.phone)):
            own = {
                "kind": kind,
                "account_id": wallet.json()["id"],
                "display_name": self.canaries.display_name,
            }
            await self.as_person("POST", "/users/me/handles", headers=PATIENCE, json=own)
            seen = await self.ask("handles", "GET", f"/handles/resolve?handle={quote(address)}")
            assert seen.json()["display_name"] == self.canaries.display_name, seen.text
            to_her = self.payment | {"to_handle": address}
            paid = await self.ask("payments", "POST", "/payments", headers=PATIENCE, json=to_her)
            assert paid.json()["state"] == "posted", paid.text
            by_her = self.payment | {"from_handle": address, "to_handle": "alice", "amount": 1}
            paid = await self.as_person(
                "POST", "/payments", room="payments", headers=PATIENCE, json=by_her
            )
            assert paid.json()["state"] == "posted", paid.text

    async def be_told(self) -> None:
        """Have a device, an endpoint and a list to hear of it all, and a provider who tells us."""
        device = {"platform": "fcm", "token": self.canaries.device_token}
        await self.as_person("POST", "/devices", room="notifications", json=device)
        await self.as_person("GET", "/notifications", room="notifications")
        endpoint = {"url": self.canaries.hook_url, "description": self.canaries.street}
        made = await self.as_person("POST", "/webhooks/endpoints", room="webhooks", json=endpoint)
        assert made.json()["url"] == self.canaries.hook_url
        self.shown["secret"] = made.json()["secret"].removeprefix("whsec_")
        path = f"/webhooks/endpoints/{made.json()['endpoint_id']}"
        changed = {"description": self.canaries.legal_name}
        await self.as_person(
            "PATCH", path, room="webhooks", headers={"If-Match": "*"}, json=changed
        )
        await self.as_person("POST", f"{path}/test", room="webhooks")
        await self.as_person("GET", "/webhooks/deliveries", room="webhooks")
        events = await self.as_person("GET", "/events", room="feed")
        assert {each["type"] for each in events.json()["data"]} > {"payment.posted.v1"}
        body = json.dumps(self.canaries.texts()).encode()
        signed = standard(
            body, int(time.time()), secret=self.titan.inbound_secret, message_id=uuid4().hex
        )
        told = await self.ask("inbound", "POST", "/inbound/standard", headers=signed, content=body)
        assert told.json() == {"status": "received"}, told.text

    def _papers(self) -> dict[str, bytes]:
        """Papers with the person's name in what their programs wrote beside the picture."""
        name = self.canaries.legal_name
        png, jpeg, pdf = io.BytesIO(), io.BytesIO(), io.BytesIO()
        info = PngInfo()
        info.add_text("Author", name)
        picture = Image.effect_noise((64, 48), 60).convert("RGB")
        picture.save(png, "PNG", pnginfo=info)
        exif = Image.Exif()
        exif[0x013B] = name
        picture.save(jpeg, "JPEG", exif=exif, comment=name.encode())
        with pikepdf.new() as document:
            page = document.add_blank_page(page_size=(200, 100))
            text = f"BT /F1 9 Tf ({self.canaries.street} {self.canaries.bank_number}) Tj ET"
            page.contents_add(text.encode())
            photograph = document.make_stream(
                jpeg.getvalue(),
                Type=pikepdf.Name.XObject,
                Subtype=pikepdf.Name.Image,
                Width=64,
                Height=48,
                BitsPerComponent=8,
                ColorSpace=pikepdf.Name.DeviceRGB,
                Filter=pikepdf.Name.DCTDecode,
                Metadata=document.make_stream(name.encode()),
            )
            page.contents_add(b"q 64 0 0 48 0 0 cm /I Do Q")
            page.obj["/Resources"] = pikepdf.Dictionary(XObject={"/I": photograph})
            document.docinfo["/Author"] = name
            document.save(pdf, compress_streams=False)
        return {
            "image/png": png.getvalue(),
            "image/jpeg": jpeg.getvalue(),
            "application/pdf": pdf.getvalue(),
        }

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
