"""A small disk of its own for the ledger's entries, so that it can be full. Needs root and Linux.

It is a tmpfs in a mount namespace of this process and its children: nobody else sees it, and it is
gone when they are.
"""

import ctypes
import errno
import os
import pwd
import shutil
from pathlib import Path
from typing import Final

import asyncpg

from titan.servers import Postgres

_CLONE_NEWNS: Final = 0x00020000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 1 << 18
_BALLAST: Final = "ballast"
_TABLESPACE: Final = "small"
_STEP_BYTES: Final = 64 * 1024
_BYTES_MIN: Final = 64 * 1024 * 1024
_BYTES_A_PAYMENT: Final = 600
"""Two entries with their index, twice over."""


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def mount(cls, path: Path, *, payments: int) -> "SmallDisk | str":
        """The disk, or why there can be none. Call before any thread or child is started."""
        path.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"size={_BYTES_MIN + payments * _BYTES_A_PAYMENT},mode=755".encode()
        try:
            done = (
                libc.unshare(_CLONE_NEWNS) == 0
                and libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
                and libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, options) == 0
            )
        except AttributeError:
            return "this system has no mount namespaces"
        if not done:
            return f"this process may not mount: {os.strerror(ctypes.get_errno())}"
        return cls(path)

    async def take_in_ledger(self, postgres: Postgres) -> None:
        """Move the table that every posting makes longer onto the disk."""
        place = self.path / "tables"
        place.mkdir()
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            os.chown(place, owner.pw_uid, owner.pw_gid)
        admin = await asyncpg.connect(postgres.admin_url)
        # Neither takes parameters. The path is our own, from mkdtemp.
        quoted = str(place).replace("'", "''")
        await admin.execute(f"CREATE TABLESPACE {_TABLESPACE} LOCATION '{quoted}'")
        await admin.execute(f"GRANT CREATE ON TABLESPACE {_TABLESPACE} TO PUBLIC")
        await admin.close()
        owner_connection = await asyncpg.connect(postgres.url)
        await owner_connection.execute(f"ALTER TABLE ledger_entries SET TABLESPACE {_TABLESPACE}")
        await owner_connection.execute(
            f"ALTER INDEX ledger_entries_pkey SET TABLESPACE {_TABLESPACE}"
        )
        await owner_connection.close()

    def fill(self) -> None:
        """Leave no byte."""
        with (self.path / _BALLAST).open("ab", buffering=0) as ballast:
            while True:
                try:
                    ballast.write(bytes(_STEP_BYTES))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def free(self) -> None:
        """Give the room back."""
        (self.path / _BALLAST).unlink(missing_ok=True)

    def unmount(self, *, keep: bool) -> None:
        """Take the disk away; what was on it stays in its place if it is evidence."""
        kept = self.path.with_suffix(".kept")
        if keep:
            shutil.copytree(self.path, kept)
        ctypes.CDLL(None).umount2(os.fsencode(self.path), 0)
        if keep:
            self.path.rmdir()
            kept.rename(self.path)
