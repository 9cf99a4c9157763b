"""Every provider of key-encryption keys keeps one contract; AWS KMS against a server of its API."""

import asyncio
import base64
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from domain.errors import Invalid, Unavailable
from runtime.clock import SystemClock
from runtime.settings import KeyProviderName, Profile, Settings
from runtime.vault.load import key_providers
from runtime.vault.memory import MemoryKeyProvider
from runtime.vault.provider import KeyProvider, Wrapping
from runtime.vault.provider_environment import EnvironmentKeyProvider
from runtime.vault.provider_file import FileKeyProvider
from runtime.vault.provider_kms import KmsKeyProvider
from tests.support.bucket_server import bucket_server

ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
KEYS = [
    Wrapping(UUID(int=number), UUID(int=100 + number), bytes([number]) * 32) for number in (1, 2)
]
KEKS = ",".join(f"kek-{n}:{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """A server in this process that answers as AWS does."""
    with bucket_server() as url:
        yield url


@pytest.fixture(params=["memory", "file", "environment", "aws-kms"])
async def provider(
    request: pytest.FixtureRequest, aws: str, tmp_path: Path
) -> AsyncIterator[KeyProvider]:
    made: dict[str, KeyProvider] = {
        "memory": MemoryKeyProvider(),
        "file": FileKeyProvider(tmp_path / "keys", clock=SystemClock()),
        "environment": EnvironmentKeyProvider(KEKS),
        "aws-kms": KmsKeyProvider(region="us-east-1", endpoint_url=aws),
    }
    provider = made[request.param]
    yield provider
    await provider.close()


def wrapped(keys: list[Wrapping], wraps: list[bytes]) -> list[Wrapping]:
    return [key._replace(content=wrap) for key, wrap in zip(keys, wraps, strict=True)]


async def test_data_keys_come_back_from_their_wraps(provider: KeyProvider) -> None:
    reference = await provider.create(None)

    wraps = await provider.wrap(reference, KEYS)

    assert await provider.unwrap(reference, wrapped(KEYS, wraps)) == [key.content for key in KEYS]
    assert not any(key.content in wrap for key in KEYS for wrap in wraps)
    assert await provider.wrap(reference, KEYS) != wraps


async def test_a_wrap_opens_for_its_owner_and_its_key_only(provider: KeyProvider) -> None:
    reference = await provider.create(None)
    [wrap, _] = wrapped(KEYS, await provider.wrap(reference, KEYS))

    for moved in (wrap._replace(owner=ALICE), wrap._replace(key_id=ALICE)):
        with pytest.raises(Invalid, match="wrapped_key"):
            await provider.unwrap(reference, [moved])


async def test_a_damaged_wrap_does_not_open(provider: KeyProvider) -> None:
    reference = await provider.create(None)
    [wrap, _] = wrapped(KEYS, await provider.wrap(reference, KEYS))
    damaged = wrap.content[:-1] + bytes([wrap.content[-1] ^ 1])

    for content in (damaged, wrap.content[:-5], b""):
        with pytest.raises(Invalid):
            await provider.unwrap(reference, [wrap._replace(content=content)])


async def test_a_key_that_was_destroyed_opens_nothing(provider: KeyProvider) -> None:
    reference = await provider.create(None)
    wraps = wrapped(KEYS, await provider.wrap(reference, KEYS))

    await provider.destroy(reference)
    await provider.destroy(reference)

    if provider.name == "aws-kms":
        # The server in this process goes on using a key that AWS would not, until its week is over.
        with pytest.raises(Invalid, match="missing_kek"):
            await provider.create(reference)
        return
    with pytest.raises(Invalid, match="missing_kek"):
        await provider.unwrap(reference, wraps)
    with pytest.raises(Invalid, match="missing_kek"):
        await provider.wrap(reference, KEYS)


async def test_a_key_nobody_has_is_said_to_be_missing(provider: KeyProvider) -> None:
    await provider.create(None)
    with pytest.raises(Invalid, match="missing_kek"):
        await provider.wrap("0" * 36, KEYS)


async def test_key_files_are_their_owners_alone(tmp_path: Path) -> None:
    provider = FileKeyProvider(tmp_path / "keys", clock=SystemClock())
    reference = await provider.create(None)

    [path] = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    # Another process finds what this one made.
    twin = FileKeyProvider(tmp_path / "keys", clock=SystemClock())
    wraps = wrapped(KEYS, await provider.wrap(reference, KEYS))
    assert await twin.unwrap(reference, wraps) == [key.content for key in KEYS]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "A", "x" * 65])
async def test_a_reference_names_no_file_elsewhere(name: str, tmp_path: Path) -> None:
    provider = FileKeyProvider(tmp_path, clock=SystemClock())
    with pytest.raises(Invalid):
        await provider.unwrap(name, KEYS)


@pytest.mark.parametrize(
    "keks", ["name", "name:", "name:c2hvcnQ=", f"{KEKS},kek-1:{'A' * 43}=", f":{'A' * 43}="]
)
def test_a_variable_that_holds_no_keys_is_refused_without_its_value(keks: str) -> None:
    with pytest.raises(Invalid) as refused:
        EnvironmentKeyProvider(keks)
    assert "A" * 43 not in str(refused.value)
    assert "c2hvcnQ=" not in str(refused.value)


async def test_of_several_variables_keys_the_last_wraps() -> None:
    assert await EnvironmentKeyProvider(KEKS).create(None) == "kek-2"
    assert await EnvironmentKeyProvider(KEKS).create("kek-1") == "kek-1"
    with pytest.raises(Invalid, match="missing_kek"):
        await EnvironmentKeyProvider(KEKS).create("kek-3")
    with pytest.raises(Invalid, match="missing_kek"):
        await EnvironmentKeyProvider("").create(None)


async def test_a_key_that_aws_has_already_is_taken_by_its_id(aws: str) -> None:
    provider = KmsKeyProvider(region="us-east-1", endpoint_url=aws)
    try:
        made = await provider.create(None)
        assert made.startswith("arn:aws:kms:")
        assert await provider.create(made.rpartition("/")[2]) == made
        with pytest.raises(Invalid, match="missing_kek"):
            await provider.create("11111111-2222-4333-8444-555555555555")
    finally:
        await provider.close()


async def test_an_aws_that_does_not_answer_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    provider = KmsKeyProvider(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    try:
        with pytest.raises(Unavailable, match="AWS KMS"):
            await asyncio.wait_for(provider.create(None), timeout=15)
    finally:
        await provider.close()


def test_production_keeps_no_keys_in_files() -> None:
    production = Settings(profile=Profile.PRODUCTION)
    with pytest.raises(Invalid, match="TITAN_KEY_PROVIDER"):
        key_providers(production, SystemClock())

    for name in (KeyProviderName.ENVIRONMENT, KeyProviderName.AWS_KMS):
        settings = production.model_copy(update={"key_provider": name})
        assert key_providers(settings, SystemClock())[0].name == name
