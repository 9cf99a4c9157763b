"""Fetch Kafka's jars, as the lock file pins them: `python -m titan.setup_kafka`.

With `--lock`, resolve them anew and write the lock file. Needs neither Maven nor Java: jgo
speaks Maven's protocol. A second run finds everything in place and does nothing.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jgo
import requests
from jgo.maven import MavenContext

from titan.kafka_jars import (
    HOME,
    KAFKA_VERSION,
    LOCK_PATH,
    Jar,
    is_complete,
    locked_jars,
    mark_complete,
)

_DOWNLOADS_AT_ONCE = 8
_DOWNLOAD_TIMEOUT_S = 60
_FREE_SPACE_BYTES_MIN = 200_000_000

# Kafka's own published dependencies leave the choice of a log writer open. This one prints to
# the server's log file and adds nothing to the start time.
_LOG_WRITER = ("org.slf4j", "slf4j-simple", "1.7.36")


class SetupError(Exception):
    """The jars could not be had; the message is one line and says what helps."""


def fetch() -> int:
    """Put every locked jar into place, verified; returns how many were fetched now."""
    if is_complete():
        return 0
    HOME.mkdir(parents=True, exist_ok=True)
    wanted = locked_jars()
    missing = [jar for jar in wanted if _digest_of(HOME / jar.file_name) != jar.sha256]
    if missing and shutil.disk_usage(HOME).free < _FREE_SPACE_BYTES_MIN:
        raise SetupError(
            f"The disk of {HOME} is nearly full: free {_FREE_SPACE_BYTES_MIN // 1_000_000} MB and "
            "run `make setup` again."
        )
    with (
        tempfile.TemporaryDirectory(dir=HOME) as cache,
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
    ):
        # A cache of our own: a half-written file in the person's own Maven cache must not be
        # trusted, and nothing of ours should stay there.
        for _ in pool.map(lambda jar: _fetch_one(jar, Path(cache)), missing):
            pass
    kept = {jar.file_name for jar in wanted}
    for stray in HOME.glob("*.jar"):
        if stray.name not in kept:
            stray.unlink()
    mark_complete()
    return len(missing)


def lock() -> int:
    """Resolve Kafka's dependencies anew and write the lock file; returns how many jars it pins."""
    artifacts = jgo.resolve(f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}")
    with tempfile.TemporaryDirectory() as cache:
        context = MavenContext(repo_cache=Path(cache), timeout=_DOWNLOAD_TIMEOUT_S)
        jars = []
        for group, artifact, version in [
            *((found.groupId, found.artifactId, found.version) for found in artifacts),
            _LOG_WRITER,
        ]:
            path = context.project(group, artifact).at_version(version).artifact().resolve()
            digest = _digest_of(path)
            jars.append(Jar(group=group, artifact=artifact, version=version, sha256=digest))
    heading = (
        f"# Apache Kafka {KAFKA_VERSION} and what it runs on: Maven coordinates and the SHA-256 of "
        "each jar.\n# Made by `make lock`; fetched by `make setup`.\n"
    )
    lines = "".join(f"{jar.line}\n" for jar in jars)
    LOCK_PATH.write_text(heading + lines, encoding="utf-8")
    return len(jars)


def _fetch_one(jar: Jar, cache_path: Path) -> None:
    # Each its own context, as they are not made for use by several threads.
    context = MavenContext(repo_cache=cache_path, timeout=_DOWNLOAD_TIMEOUT_S)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    try:
        path = artifact.resolve()
    except RuntimeError as error:
        raise SetupError(
            f"{jar.file_name} is not offered where it is fetched: try `make setup` again later."
        ) from error
    if _digest_of(path) != jar.sha256:
        raise SetupError(
            f"{jar.file_name} came with other bytes than {LOCK_PATH.name} pins: it was not "
            "installed. Try `make setup` again on a network that you trust."
        )
    # Renamed into place, so that a jar there is always whole.
    path.replace(HOME / jar.file_name)


def _digest_of(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Fetch the jars, or lock them anew; one line on what was done or what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m titan.setup_kafka", description=__doc__)
    parser.add_argument("--lock", action="store_true", help="resolve anew, write the lock file")
    try:
        if parser.parse_args().lock:
            sys.stdout.write(f"{LOCK_PATH.name} pins {lock()} jars\n")
        elif count := fetch():
            sys.stdout.write(f"Kafka {KAFKA_VERSION}: {count} jars fetched and verified\n")
    except SetupError as error:
        sys.exit(f"{error}")
    except requests.RequestException as error:
        sys.exit(
            f"Kafka's jars could not be fetched ({type(error).__name__}): connect to a network (or "
            "set HTTPS_PROXY) and run `make setup` again. It is needed only the first time."
        )
    except OSError as error:
        sys.exit(f"Kafka's jars could not be stored in {HOME}: {error.strerror}.")


if __name__ == "__main__":
    main()
