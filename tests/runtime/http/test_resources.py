import pytest

from runtime.clock import SystemClock
from runtime.http.resources import open_resources
from runtime.settings import Profile, Settings


async def test_an_edge_refuses_settings_that_lose_payments() -> None:
    settings = Settings(
        profile=Profile.PRODUCTION,
        kafka_bootstrap="127.0.0.1:1",
        postgres_dsn="postgresql://127.0.0.1:1/none",  # type: ignore[arg-type] # made a secret
        vault_key="A" * 43 + "=",  # type: ignore[arg-type]
        producer_acks="1",
    )
    with pytest.raises(SystemExit, match="TITAN_PRODUCER_ACKS"):
        async with open_resources("payments", settings, SystemClock()):
            pass
