"""Every OpenAPI document of the real edges against what they answer, drawn at random.

All checks of schemathesis: no server error, no status, type, header or body that the document does
not tell of, nothing accepted that breaks its schemas, links followed from answer to request. The
seed is new each time and told where something is found; keep it in seeds.yaml.
"""

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.corpus.tokens.minting import mint_of
from tests.openapi.campaign import Campaign, Found
from tests.support.whole_titan import WholeTitan, whole_titan

pytestmark = [pytest.mark.hostile, pytest.mark.timeout(280)]

CASES_MIN = 5_000
EXAMPLES = 12
AT_ONCE = 2


class Who(StrEnum):
    """Who asks."""

    ANYBODY = "anybody"
    PERSON = "person"
    STAFF = "staff"


CALLERS = {
    "payments": [Who.ANYBODY],
    "handles": [Who.ANYBODY],
    "auth": [Who.PERSON, Who.STAFF],
    "users": [Who.PERSON, Who.STAFF],
}
"""The demo lets anybody pay; two doors open to those who signed in. Others are tried by all."""
STAFF = ("admin", "kyc-reviewer", "support")
SEEDS: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("seeds.yaml").read_text("utf-8")
)


@pytest.fixture(scope="module")
def titan() -> Iterator[WholeTitan]:
    """One of its own: whatever people and handles others need may be gone after this."""
    with whole_titan() as titan:
        yield titan


def test_no_answer_is_a_server_error_or_not_in_its_document(
    titan: WholeTitan, tmp_path: Path
) -> None:
    mint = asyncio.run(mint_of(titan))
    tokens = {Who.PERSON: mint.holding(), Who.STAFF: mint.staff(*STAFF)}

    def attack(room: str, who: Who) -> tuple[str, Found]:
        directory = tmp_path / f"{room}-{who}"
        directory.mkdir()
        headers = [f"Authorization: Bearer {tokens[who]}"] if who in tokens else []
        campaign = Campaign(titan.url(room), random.getrandbits(31), EXAMPLES, headers)
        return room, campaign.run(directory)

    attacks = [(room, who) for room in titan.rooms for who in CALLERS.get(room, Who)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(attack, *zip(*attacks, strict=True)))

    faults = [each.faults for _, each in found if each.faults]
    assert not faults, "\n".join(faults)
    for room, each in found:
        assert each.operations == operations_of(titan.url(room))
    assert sum(each.cases for _, each in found) >= CASES_MIN


@pytest.mark.parametrize("kept", SEEDS, ids=[f"{each['edge']} {each['seed']}" for each in SEEDS])
def test_what_a_seed_once_found_it_finds_no_more(
    titan: WholeTitan, tmp_path: Path, kept: dict[str, Any]
) -> None:
    campaign = Campaign(titan.url(kept["edge"]), kept["seed"], kept["examples"])

    assert campaign.run(tmp_path).faults == ""


def operations_of(url: str) -> set[str]:
    document = httpx.get(f"{url}/openapi.json").json()
    return {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
