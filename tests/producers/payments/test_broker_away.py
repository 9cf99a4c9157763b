"""A broker that goes away in the middle: the client is told the truth, and repeats to learn it."""

import os
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime import limits
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.payment import PaymentRequested
from tests.producers.payments.place import Place
from tests.support.alone import NOBODY
from tests.support.waiting import eventually
from titan.servers import Kafka

pytestmark = [pytest.mark.real, pytest.mark.storm, pytest.mark.timeout(90)]


async def test_an_outage_is_unknown_and_the_repeat_is_the_same_payment(tmp_path: Path) -> None:
    kafka = Kafka(tmp_path / "kafka")
    await kafka.start()
    try:
        only = topic_map().model_copy(update={"topics": [topic_map()[PaymentRequested.TOPIC]]})
        await apply_topics(kafka.url, only)
        place = Place(
            Settings(
                kafka_bootstrap=kafka.url,
                postgres_dsn=SecretStr(f"postgresql://nobody@{NOBODY}/nothing"),
            )
        )
        async with place.router() as router:

            async def is_accepted() -> bool:
                return (await router.post(key="before")).status == 202

            await eventually(is_accepted, timeout_s=30)

            os.kill(kafka.pid, signal.SIGSTOP)
            during = await router.post(key="during")
            os.kill(kafka.pid, signal.SIGCONT)

            assert (during.status, during.code) == (503, "outcome_unknown")
            assert during.document["state"] == "unknown"
            assert during.headers["retry-after"] == str(limits.UNAVAILABLE_RETRY_AFTER_S)

            async def is_accepted_again() -> str | None:
                answer = await router.post(key="during")
                return answer.document["id"] if answer.status == 202 else None

            payment_id = await eventually(is_accepted_again, timeout_s=30)

        assert payment_id is not None
        assert len(set(await place.requested(payment_id))) == 1
    finally:
        os.kill(kafka.pid, signal.SIGCONT)
        await kafka.stop()
