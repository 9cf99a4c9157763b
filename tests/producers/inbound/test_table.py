"""A table or a secret that would let somebody in ends the start, and says why."""

from typing import Any

import pytest
import yaml

from domain.errors import Invalid
from producers.inbound.providers import load_providers
from tests.producers.inbound.place import TABLE, Place
from tests.producers.inbound.senders import SECRETS

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": ["header:X-Id"]}, "not signed"),
        ({"data": "secret"}, "data"),
        ({"colour": "red"}, "colour"),
        ({"secrets": "../keys"}, "secrets"),
        ({"rule": {"scheme": "md5"}}, "rule"),
        ({"rule": {"scheme": "hmac", "signature_header": "a", "timestamp_header": "b",
                   "signed": ["body"]}}, "not signed"),
    ],
)  # fmt: skip
def test_a_table_that_would_let_somebody_in_is_refused(
    place: Place, change: dict[str, Any], said: str
) -> None:
    table = yaml.safe_load(TABLE.read_text("utf-8"))
    table["providers"]["stripe"] |= change
    path = place.folder / "bad.yaml"
    path.write_text(yaml.safe_dump(table), "utf-8")

    with pytest.raises(Invalid, match=said):
        load_providers(path)


async def test_a_secret_that_can_be_guessed_ends_the_start(place: Place) -> None:
    secrets = place.folder / "secrets"
    secrets.mkdir()
    (secrets / "stripe").write_text("short\n", "utf-8")

    with pytest.raises(SystemExit, match="at least 16 bytes"):
        async with place.door(inbound_secrets=secrets):
            pass
    assert all(len(secret) >= 16 for secret in SECRETS.values())
