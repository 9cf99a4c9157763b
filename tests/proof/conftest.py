"""Worlds to prove: one that is sound, made once a module, and fresh ones."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import asyncpg
import pytest
import pytest_asyncio

from runtime.topic_admin import apply_topics
from runtime.topics import TopicMap
from tests.conftest import RUN
from tests.proof.world import World, close_world, open_world, settle, small_map
from tests.support.databases import create_migrated_database, with_database
from tests.support.topics import drop_topics
from titan.servers import Endpoints

NUMBERS = itertools.count()

NewWorld = Callable[[], Awaitable[World]]
PassingWorld = Callable[[], AbstractAsyncContextManager[World]]
CopyOf = Callable[[World], Awaitable[str]]


@pytest.fixture(scope="module")
def topics() -> TopicMap:
    """The map of the module's worlds."""
    return small_map()


@pytest.fixture(scope="module")
def passing_world(
    endpoints: Endpoints, worker: str, topics: TopicMap, pytestconfig: pytest.Config
) -> PassingWorld:
    """Makes a world in which nothing has happened yet, and takes it away again."""
    run = pytestconfig.stash[RUN].name

    @asynccontextmanager
    async def made() -> AsyncIterator[World]:
        name = f"{run}_proof_{worker}_{next(NUMBERS)}"
        prefix = f"{name.replace('_', '-')}-"
        dsn = await create_migrated_database(endpoints.postgres_dsn, run=run, name=name)
        await apply_topics(endpoints.kafka_bootstrap, topics, prefix=prefix)
        world = await open_world(endpoints.kafka_bootstrap, dsn, prefix, topics)
        try:
            yield world
        finally:
            await close_world(world)
            await drop_topics(endpoints.kafka_bootstrap, prefix)

    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def new_world(passing_world: PassingWorld) -> AsyncIterator[NewWorld]:
    """Makes worlds that last as long as the module."""
    async with AsyncExitStack() as worlds:

        async def make() -> World:
            return await worlds.enter_async_context(passing_world())

        yield make


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sound(new_world: NewWorld) -> World:
    """A world in which everything has happened that may; tests leave it as it is."""
    world = await new_world()
    await settle(world)
    return world


@pytest_asyncio.fixture(loop_scope="module")
async def world(passing_world: PassingWorld) -> AsyncIterator[World]:
    """A sound world of the test's own."""
    async with passing_world() as made:
        await settle(made)
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def copy_of(
    endpoints: Endpoints, worker: str, pytestconfig: pytest.Config
) -> AsyncIterator[CopyOf]:
    """Makes copies of a world's database, to be spoiled."""
    names: list[str] = []
    connection = await asyncpg.connect(endpoints.postgres_dsn)

    async def make(world: World) -> str:
        name = f"{pytestconfig.stash[RUN].name}_copy_{worker}_{next(NUMBERS)}"
        template = world.dsn.rpartition("/")[2]
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        names.append(name)
        return with_database(endpoints.postgres_dsn, name)

    yield make
    for name in names:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
