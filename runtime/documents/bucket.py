"""Documents in a bucket of S3 or whatever speaks its protocol."""

import io
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import Invalid, Unavailable
from runtime.documents import limits
from runtime.documents.store import PIECE_BYTES, name_of

if TYPE_CHECKING:
    from aiobotocore.response import StreamingBody
    from types_aiobotocore_s3 import S3Client

_GONE: Final = frozenset({"NoSuchKey", "404"})


class BucketStore:
    """An object a document. Credentials come from the environment or the machine's role."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, document_id: UUID, sealed: Iterable[bytes]) -> None:
        """Keep a document: one request, which takes effect whole or not at all."""
        body = io.BytesIO()
        body.writelines(sealed)
        body.seek(0)
        async with _down():
            await self._client.put_object(Bucket=self._bucket, Key=name_of(document_id), Body=body)

    @asynccontextmanager
    async def open(self, document_id: UUID) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of a document, in order."""
        async with _down():
            try:
                answer = await self._client.get_object(
                    Bucket=self._bucket, Key=name_of(document_id)
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _GONE:
                    raise Invalid("document_gone", "the document is not in the store") from None
                raise
        async with answer["Body"] as stream:
            yield _pieces(stream)

    async def delete(self, document_id: UUID) -> None:
        """Remove a document."""
        async with _down():
            await self._client.delete_object(Bucket=self._bucket, Key=name_of(document_id))

    async def ping(self) -> None:
        """Unavailable if the bucket does not answer."""
        async with _down():
            await self._client.head_bucket(Bucket=self._bucket)


@asynccontextmanager
async def open_bucket(bucket: str, *, endpoint_url: str | None) -> AsyncIterator[BucketStore]:
    """The store in this bucket; `endpoint_url` is None for AWS itself. Nothing connects yet."""
    config = AioConfig(
        connect_timeout=limits.CONNECT_S_MAX,
        read_timeout=limits.READ_S_MAX,
        retries={"max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path"},
    )
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            get_session().create_client("s3", endpoint_url=endpoint_url, config=config)
        )
        yield BucketStore(client, bucket)


async def _pieces(stream: "StreamingBody") -> AsyncIterator[bytes]:
    async with _down():
        while piece := await stream.read(PIECE_BYTES):
            yield piece


@asynccontextmanager
async def _down() -> AsyncIterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, OSError, TimeoutError) as error:
        # Not the message: it names the object.
        raise Unavailable(f"document bucket: {type(error).__name__}") from error
