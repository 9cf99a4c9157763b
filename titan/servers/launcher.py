"""Become a server process that cannot outlive its parent; run as a script, never imported.

Arguments: PARENT_PID DEATH_SIGNAL USER_ID GROUP_ID COMMAND...

This runs between fork and exec of a server. A script does it, because Python code in a forked
child of a program with threads may deadlock (the reason why `preexec_fn` is discouraged).
It imports little and starts in about 15 ms.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_SETPCAP = 8
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
EXIT_CANNOT_EXECUTE = 126


def main(arguments: list[str]) -> None:
    """Drop root where asked, ask for the death signal, and become the command."""
    parent_pid, death_signal, user_id, group_id = (int(argument) for argument in arguments[:4])
    command = arguments[4:]
    if user_id >= 0:
        _drop_root(user_id, group_id, command[0])
    if sys.platform == "linux":
        # Set after the change of user, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit("the parent died before the server started")
    try:
        os.execv(command[0], command)  # noqa: S606  the command is the caller's own, no shell
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(EXIT_CANNOT_EXECUTE)


def _drop_root(user_id: int, group_id: int, binary: str) -> None:
    """Change to the given user, for a server that refuses to run as root.

    A checkout below /root is closed to every other user. Rather than opening the folders of the
    person who started us, the process then keeps one capability: to pass file permissions.
    """
    libc = ctypes.CDLL(None)
    if sys.platform == "linux":
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(group_id)
    os.setuid(user_id)
    may_pass = os.access(binary, os.X_OK) and os.access(os.getcwd(), os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH109  pathlib would be one more import in each start
    if sys.platform == "linux" and not may_pass:
        # access(2), by which PostgreSQL looks for its own programs, heeds no capability of an
        # ordinary user unless this bit is set.
        _set_capabilities(libc, 1 << CAP_DAC_OVERRIDE | 1 << CAP_SETPCAP)
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        _set_capabilities(libc, 1 << CAP_DAC_OVERRIDE)
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def _set_capabilities(libc: ctypes.CDLL, mask: int) -> None:
    """Keep these capabilities and no other; where the container has not got them, none."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Three 32-bit sets (effective, permitted, inheritable) for each half of the 64 bits.
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    libc.capset(header, sets)


if __name__ == "__main__":
    main(sys.argv[1:])
