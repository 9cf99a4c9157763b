"""Ask whether something is healthy: `python -m titan.probe URL` ends with 0 if it answers 2xx.

For container health checks. The standard library only: it runs every few seconds in each
container, and must not cost more than what it watches.
"""

import sys
from http.client import HTTPException
from typing import Final
from urllib.request import ProxyHandler, build_opener

ANSWER_S_MAX: Final = 3.0


def main(arguments: list[str]) -> int:
    """Ask the URL; returns the exit status and says why it is not 0."""
    if len(arguments) != 1 or not arguments[0].startswith("http://"):
        sys.stderr.write("name one http:// URL\n")
        return 2
    try:
        # No proxy of the environment: what is asked is this very container.
        with build_opener(ProxyHandler({})).open(arguments[0], timeout=ANSWER_S_MAX):
            return 0
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
