"""Which jars make up Kafka, where they lie, and whether they are all there.

The committed lock file pins each jar by its coordinates and SHA-256. `titan/setup_kafka.py`
fetches them; the embedded broker runs on them.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

KAFKA_VERSION = "4.2.0"
LOCK_PATH = Path(__file__).parents[1] / "requirements" / "kafka-jars.lock"

# Beside the packages of this virtual environment: `make clean` keeps them, like any dependency.
HOME = Path(sys.prefix) / "kafka"


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One jar: its Maven coordinates and the SHA-256 of its bytes, in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The jar's name as Maven gives it."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def line(self) -> str:
        """The jar's line in the lock file."""
        return f"{self.group}:{self.artifact}:{self.version} sha256:{self.sha256}"


def locked_jars() -> list[Jar]:
    """The jars of the lock file, in its order (which is the class path's)."""
    jars = []
    for line in LOCK_PATH.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinates, digest = line.split(" sha256:")
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group=group, artifact=artifact, version=version, sha256=digest))
    return jars


def installed_jars() -> list[Path]:
    """The paths of all jars. FileNotFoundError where the set is not the lock file's."""
    if not is_complete():
        raise FileNotFoundError(f"its {len(locked_jars())} jars are not all in {HOME}")
    return [HOME / jar.file_name for jar in locked_jars()]


def is_complete() -> bool:
    """Whether the jars of exactly this lock file were fetched and verified."""
    stamp_path = HOME / "verified-lock"
    try:
        return stamp_path.read_text(encoding="ascii") == lock_digest()
    except FileNotFoundError:
        return False


def mark_complete() -> None:
    """Note that the jars of this lock file were fetched and verified."""
    (HOME / "verified-lock").write_text(lock_digest(), encoding="ascii")


def lock_digest() -> str:
    """The SHA-256 of the lock file, in hex."""
    return hashlib.sha256(LOCK_PATH.read_bytes()).hexdigest()
