"""The courier as the process that it is in production, killed with a letter in hand."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr

from domain.notification import Channel
from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from runtime.vault import connect_vault
from schemas.user import PasswordChanged
from tests.producers.notifications.place import Place
from tests.support.mail_server import Post, mail_server, message_of
from tests.support.victim import Victim
from tests.support.waiting import eventually
from titan.servers import Endpoints
from titan.servers.ports import free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

START_S_MAX = 60.0
FOLLOWED = ("standing.", "person.", "credentials.")
VAULT_KEY = "A" * 43 + "="


@dataclass
class SlowPost(Post):
    """Takes its time over what it takes in, until it is told to be quick."""

    is_quick: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's own name
        said = await super().handle_DATA(server, session, envelope)
        await self.is_quick.wait()
        return said


async def test_a_letter_that_a_killed_process_had_in_hand_goes_again_under_the_same_id(
    place: Place, endpoints: Endpoints, redis_url: str, tmp_path: Path
) -> None:
    prefix = f"{uuid4().hex[:8]}-courier-"
    topics = [each for each in topic_map().topics if each.name.startswith(FOLLOWED)]
    few = topic_map().model_copy(update={"topics": topics})
    await apply_topics(endpoints.kafka_bootstrap, few, prefix=prefix)
    settings = Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=place.settings.postgres_dsn,
        redis_url=SecretStr(redis_url),
        topic_prefix=prefix,
        data_directory=tmp_path,
        vault_key=SecretStr(VAULT_KEY),
    )
    place.vault = await connect_vault(settings, name="tests", clock=SystemClock())
    place.clock.time = SystemClock().now()
    ada = await place.person()
    await ada.verify_email("ada@example.com")
    changed = PasswordChanged(
        request_id=uuid4(),
        requested_at=place.clock.now(),
        user_id=ada.person_id,
        session_id=uuid4(),
    )
    await place.plan(changed)
    post = SlowPost()
    async with mail_server(post) as server:
        variables = {
            "TITAN_NOTIFICATIONS_PORT": str(free_port()),
            "TITAN_NOTIFICATIONS_URL": "https://titan.example",
            "TITAN_SMTP_HOST": server.host,
            "TITAN_SMTP_PORT": str(server.port),
            "TITAN_SMTP_SECURITY": "none",
            "TITAN_MAIL_FROM": server.sender,
            "TITAN_VAULT_KEY": VAULT_KEY,
        }
        edge = Victim(settings, variables, "titan.edge", "notifications")
        async with edge.running():
            await eventually(lambda: len(post.taken) == 1, timeout_s=START_S_MAX)
            edge.kill()
            post.is_quick.set()
            # As if the time had passed after which who has a letter in hand is taken for dead.
            await place.execute("UPDATE notification_deliveries SET due_at = now()")

            async def is_sent() -> bool:
                return await place.ends_of(ada) == [("sent", None)]

            await eventually(is_sent, timeout_s=START_S_MAX)
    await place.vault.close()

    first, second = (message_of(each)["Message-ID"] for each in post.taken)
    [row] = await place.fetch(
        "SELECT delivery_id, channel FROM notification_deliveries WHERE person_id = $1",
        ada.person_id,
    )
    assert row["channel"] == Channel.EMAIL
    assert first == second == f"<{row['delivery_id']}@titan.example>"
