"""The real servers of a test run: started once, by the process that leads the run.

Started only where some test of the run may need them. They are embedded, unless
TITAN_KAFKA_BOOTSTRAP, TITAN_POSTGRES_DSN or TITAN_REDIS_URL names another, or
TITAN_TEST_SERVERS=docker asks for containers. Every TITAN_ variable is taken out of the
environment, so that no test depends on the shell it was started from.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
import structlog
from _pytest.mark.expression import Expression

from tests.support.containers import Containers
from tests.support.databases import create_migrated_database, drop_databases
from tests.support.whole_titan import WholeTitan, whole_titan
from titan.servers import Endpoints, ServerPlan, Servers, ServerStartError

GIVEN = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("TITAN_")}
REDIS_DATABASES = 16
SIGNS_OF_NEED = ("mark.real", "mark.storm")


@dataclass
class Run:
    """What the leading process knows of this run's servers."""

    servers: Servers | None = None
    containers: Containers | None = None
    directory: Path | None = None
    endpoints: Endpoints | None = None
    # Names everything of this run on a server that others use too.
    name: str = field(default_factory=lambda: f"t{uuid4().hex[:8]}")


RUN = pytest.StashKey[Run]()


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """What a test's stage logs to is closed with the test: the next one must not log there."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def _key_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests of one worker share a database, and so the keys that wrap the keys in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITAN_KEY_DIRECTORY", str(tmp_path_factory.mktemp("keys")))
        yield


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", None)
    if given is None:
        config.stash[RUN] = Run()
    else:
        endpoints = Endpoints(**given["endpoints"]) if given["endpoints"] else None
        config.stash[RUN] = Run(endpoints=endpoints, name=given["run"])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or not _is_needed(config):
        return
    run = config.stash[RUN]
    try:
        _start(run, config.get_terminal_writer().line)
    except ServerStartError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    run = node.config.stash[RUN]
    node.workerinput["run"] = run.name
    node.workerinput["endpoints"] = asdict(run.endpoints) if run.endpoints else None


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(RUN, None)
    if run is None or hasattr(config, "workerinput"):
        return
    if run.endpoints is not None and "TITAN_POSTGRES_DSN" in GIVEN:
        asyncio.run(drop_databases(run.endpoints.postgres_dsn, run=run.name))
    if run.servers is not None:
        asyncio.run(run.servers.stop())
    if run.containers is not None:
        run.containers.stop()
    if run.directory is not None:
        shutil.rmtree(run.directory)


def _is_needed(config: pytest.Config) -> bool:
    """Whether a test of this run may need servers, as far as its marks' text can tell."""
    if config.option.markexpr:
        chosen = Expression.compile(config.option.markexpr)
        if not any(
            chosen.evaluate(lambda name, /, marks=marks, **_: name in marks)
            for marks in ({"real"}, {"storm"}, {"real", "storm"})
        ):
            return False
    paths = {Path(config.rootpath, argument.split("::")[0]) for argument in config.args}
    files = itertools.chain.from_iterable(
        path.rglob("test_*.py") if path.is_dir() else [path] for path in paths
    )
    return any(
        sign in text
        for text in (file.read_text("utf-8") for file in files)
        for sign in SIGNS_OF_NEED
    )


def _start(run: Run, progress: Callable[[str], None]) -> None:
    contained: dict[str, str] = {}
    if GIVEN.get("TITAN_TEST_SERVERS") == "docker":
        run.containers = Containers()
        contained = run.containers.start()
    run.directory = Path(tempfile.mkdtemp(prefix="titan-tests-"))
    plan = ServerPlan(
        directory=run.directory,
        kafka_bootstrap=GIVEN.get("TITAN_KAFKA_BOOTSTRAP") or contained.get("kafka_bootstrap"),
        postgres_dsn=GIVEN.get("TITAN_POSTGRES_DSN") or contained.get("postgres_dsn"),
        redis_url=GIVEN.get("TITAN_REDIS_URL") or contained.get("redis_url"),
    )
    run.servers = Servers(plan, progress=progress)
    run.endpoints = asyncio.run(run.servers.start())


@pytest.fixture(scope="session")
def endpoints(pytestconfig: pytest.Config) -> Endpoints:
    """Where the servers of this run answer."""
    found = pytestconfig.stash[RUN].endpoints
    assert found is not None, "mark the test with @pytest.mark.real, and select it by its path"
    return found


@pytest.fixture(scope="session")
def worker(pytestconfig: pytest.Config) -> str:
    """This worker's name: gw0, gw1, ... or main where there are no workers."""
    return str(getattr(pytestconfig, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def database_dsn(endpoints: Endpoints, worker: str, pytestconfig: pytest.Config) -> str:
    """A migrated database of this worker's own."""
    run = pytestconfig.stash[RUN].name
    return asyncio.run(
        create_migrated_database(endpoints.postgres_dsn, run=run, name=f"{run}_{worker}")
    )


@pytest.fixture(scope="session")
def keys_dsn(endpoints: Endpoints, worker: str, pytestconfig: pytest.Config) -> str:
    """A migrated database of this worker's own, whose keys a test may take away."""
    run = pytestconfig.stash[RUN].name
    return asyncio.run(
        create_migrated_database(endpoints.postgres_dsn, run=run, name=f"{run}_{worker}_keys")
    )


@pytest.fixture(scope="session")
def redis_url(endpoints: Endpoints, worker: str) -> str:
    """A Redis database of this worker's own, never 0, which others may use."""
    number = int(worker.removeprefix("gw")) if worker != "main" else 0
    parts = urlsplit(endpoints.redis_url)
    return urlunsplit(parts._replace(path=f"/{1 + number % (REDIS_DATABASES - 1)}"))


@pytest.fixture(scope="session")
def titan() -> Iterator[WholeTitan]:
    """A whole Titan for all tests marked `hostile`: its own servers, started by the first."""
    with whole_titan() as titan:
        yield titan


@pytest.fixture(scope="session")
def topic_numbers() -> Iterator[int]:
    """Counts the tests of this worker that asked for topics."""
    return itertools.count()


@pytest.fixture
def topic_prefix(worker: str, topic_numbers: Iterator[int], pytestconfig: pytest.Config) -> str:
    """What the test puts before each topic and group, so that no two tests share one."""
    return f"{pytestconfig.stash[RUN].name}-{worker}-{next(topic_numbers)}-"
