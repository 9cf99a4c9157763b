"""Key-encryption keys in AWS Key Management Service: they never leave it.

A data key is wrapped by Encrypt and opened by Decrypt, with its owner and id as the encryption
context, which KMS binds to the wrap and writes into its audit trail.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import Invalid, Unavailable
from runtime.vault import limits
from runtime.vault.provider import Wrapping, missing_kek

if TYPE_CHECKING:
    from types_aiobotocore_kms import KMSClient

_GONE: Final = {
    "NotFoundException",
    "DisabledException",
    "KMSInvalidStateException",
    "ValidationException",
}
_UNREADABLE: Final = {"InvalidCiphertextException", "IncorrectKeyException"}
_GRACE_DAYS: Final = 7
"""KMS deletes a key no sooner: within that time it can be kept after all."""


class KmsKeyProvider:
    """The keys of one account and region; references are their ARNs."""

    name = "aws-kms"

    def __init__(self, *, region: str, endpoint_url: str | None) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._open = AsyncExitStack()
        self._client: KMSClient | None = None
        self._opening = asyncio.Lock()
        self._calls = asyncio.Semaphore(limits.PROVIDER_CALLS_MAX)

    async def create(self, reference: str | None) -> str:
        """A new symmetric key; or the one of that id, alias or ARN, if it is enabled."""
        client = await self._connected()
        async with _told(reference or "new"):
            if reference is None:
                made = await client.create_key(Description="Titan: wraps people's data keys")
                return made["KeyMetadata"]["Arn"]
            found = await client.describe_key(KeyId=reference)
            if not found["KeyMetadata"]["Enabled"]:
                raise missing_kek(reference)
            return found["KeyMetadata"]["Arn"]

    async def wrap(self, reference: str, keys: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.wrap`."""
        client = await self._connected()

        async def encrypt(key: Wrapping) -> bytes:
            answer = await client.encrypt(
                KeyId=reference, Plaintext=key.content, EncryptionContext=_context_of(key)
            )
            return answer["CiphertextBlob"]

        return await self._each(encrypt, reference, keys)

    async def unwrap(self, reference: str, wraps: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.unwrap`."""
        client = await self._connected()

        async def decrypt(wrap: Wrapping) -> bytes:
            answer = await client.decrypt(
                KeyId=reference, CiphertextBlob=wrap.content, EncryptionContext=_context_of(wrap)
            )
            return answer["Plaintext"]

        return await self._each(decrypt, reference, wraps)

    async def destroy(self, reference: str) -> None:
        """Have KMS delete the key, which it does after a week."""
        client = await self._connected()
        async with _told(reference):
            found = await client.describe_key(KeyId=reference)
            if found["KeyMetadata"]["KeyState"] != "PendingDeletion":
                await client.schedule_key_deletion(
                    KeyId=found["KeyMetadata"]["KeyId"], PendingWindowInDays=_GRACE_DAYS
                )

    async def close(self) -> None:
        """Give the connections up."""
        self._client = None
        await self._open.aclose()

    async def _each(
        self,
        call: Callable[[Wrapping], Awaitable[bytes]],
        reference: str,
        keys: Sequence[Wrapping],
    ) -> list[bytes]:
        async def bounded(key: Wrapping) -> bytes:
            async with self._calls:
                return await call(key)

        async with _told(reference):
            return await asyncio.gather(*map(bounded, keys))

    async def _connected(self) -> "KMSClient":
        async with self._opening:
            if self._client is None:
                config = AioConfig(
                    connect_timeout=1,
                    read_timeout=limits.PROVIDER_S_MAX,
                    max_pool_connections=limits.PROVIDER_CALLS_MAX,
                    retries={"mode": "standard", "max_attempts": 2},
                )
                async with _told("client"):
                    self._client = await self._open.enter_async_context(
                        get_session().create_client(
                            "kms",
                            region_name=self._region,
                            endpoint_url=self._endpoint_url,
                            config=config,
                        )
                    )
            return self._client


@asynccontextmanager
async def _told(reference: str) -> AsyncIterator[None]:
    """Tell what KMS says in the words of `KeyProvider`."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _GONE:
            raise missing_kek(reference) from None
        if code in _UNREADABLE:
            raise Invalid("wrapped_key", "a person's wrapped key does not open") from None
        raise Unavailable(f"AWS KMS: {code}") from error
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"AWS KMS: {type(error).__name__}") from error


def _context_of(key: Wrapping) -> dict[str, str]:
    return {"titan:owner": str(key.owner), "titan:key": str(key.key_id)}
