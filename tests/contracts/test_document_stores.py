"""What every store of documents promises; the folder and the bucket are its parameters."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiobotocore.session import get_session

from domain.errors import Invalid, Unavailable
from runtime.documents.bucket import BucketStore, open_bucket
from runtime.documents.folder import FolderStore
from runtime.documents.store import PIECE_BYTES, DocumentStore
from tests.support.bucket_server import bucket_server

BUCKET = "documents"


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    with bucket_server() as url:
        yield url


@asynccontextmanager
async def opened_bucket(url: str) -> AsyncIterator[BucketStore]:
    async with get_session().create_client("s3", endpoint_url=url) as client:
        await client.create_bucket(Bucket=BUCKET)
    async with open_bucket(BUCKET, endpoint_url=url) as store:
        yield store


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DocumentStore]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "documents")
        return
    url: str = request.getfixturevalue("bucket_url")
    async with opened_bucket(url) as bucket:
        yield bucket


async def read(store: DocumentStore, document_id: UUID) -> bytes:
    async with store.open(document_id) as pieces:
        return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 7])
async def test_a_document_is_read_as_it_was_put(store: DocumentStore, size: int) -> None:
    document_id, document = uuid4(), os.urandom(size)
    await store.put(document_id, [document[:100], document[100:]])
    assert await read(store, document_id) == document


async def test_it_is_read_in_pieces(store: DocumentStore) -> None:
    document_id = uuid4()
    await store.put(document_id, [bytes(5 * PIECE_BYTES)])
    async with store.open(document_id) as pieces:
        sizes = [len(piece) async for piece in pieces]
    assert len(sizes) >= 5
    assert max(sizes) <= PIECE_BYTES


async def test_the_same_name_again_replaces_it(store: DocumentStore) -> None:
    document_id = uuid4()
    await store.put(document_id, [b"a longer first try"])
    await store.put(document_id, [b"second"])
    assert await read(store, document_id) == b"second"


async def test_a_document_that_is_not_there_is_said_to_be_gone(store: DocumentStore) -> None:
    document_id = uuid4()
    with pytest.raises(Invalid, match="document_gone"):
        await read(store, document_id)
    await store.delete(document_id)
    await store.put(document_id, [b"now"])
    await store.delete(document_id)
    with pytest.raises(Invalid, match="document_gone"):
        await read(store, document_id)


async def test_a_put_that_breaks_off_leaves_nothing(store: DocumentStore) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    document_id = uuid4()
    with pytest.raises((Unavailable, ConnectionResetError)):
        await store.put(document_id, breaking())
    with pytest.raises(Invalid, match="document_gone"):
        await read(store, document_id)


async def test_it_answers_a_ping(store: DocumentStore) -> None:
    await store.ping()


async def test_a_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    document_id = uuid4()
    await FolderStore(folder).put(document_id, [b"x"])
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = FolderStore(tmp_path / "file")
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await store.put(uuid4(), [b"x"])


async def test_a_bucket_that_is_away_or_missing_is_unavailable(bucket_url: str) -> None:
    async with open_bucket("no-such-bucket", endpoint_url=bucket_url) as store:
        with pytest.raises(Unavailable):
            await store.ping()
        with pytest.raises(Unavailable):
            await store.put(uuid4(), [b"x"])
    async with open_bucket(BUCKET, endpoint_url="http://127.0.0.1:9") as store:
        with pytest.raises(Unavailable) as caught:
            await read(store, uuid4())
        assert "127.0.0.1" not in str(caught.value)
