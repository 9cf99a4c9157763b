"""Every OpenAPI document of the real edges against what they answer, drawn at random.

All checks of schemathesis: no server error, no status, type, header or body that the document does
not tell of, nothing accepted that breaks its schemas, links followed from answer to request. The
seed is new each time and told where something is found; keep it in seeds.yaml.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.openapi.campaign import Campaign, Found
from tests.support.whole_titan import WholeTitan

pytestmark = [pytest.mark.hostile, pytest.mark.timeout(280)]

CASES_MIN = 5_000
EXAMPLES = 110
AT_ONCE = 2
SEEDS: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("seeds.yaml").read_text("utf-8")
)


def test_no_answer_is_a_server_error_or_not_in_its_document(
    titan: WholeTitan, tmp_path: Path
) -> None:
    def attack(room: str) -> tuple[str, Found]:
        directory = tmp_path / room
        directory.mkdir()
        campaign = Campaign(titan.url(room), random.getrandbits(31), EXAMPLES)
        return room, campaign.run(directory)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(pool.map(attack, titan.rooms))

    assert [each.faults for each in found.values() if each.faults] == []
    for room, each in found.items():
        assert each.operations == operations_of(titan.url(room))
    assert sum(each.cases for each in found.values()) >= CASES_MIN


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
