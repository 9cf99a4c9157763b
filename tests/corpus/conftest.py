"""The key by which the corpus signs people in."""

import asyncio

import pytest

from tests.corpus.tokens.minting import Mint, mint_of
from tests.support.whole_titan import WholeTitan


@pytest.fixture(scope="session")
def mint(titan: WholeTitan) -> Mint:
    """The mint of the Titan that is attacked."""
    return asyncio.run(mint_of(titan))
