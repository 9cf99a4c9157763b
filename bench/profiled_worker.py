"""A worker that watches itself: `python -m bench.profiled_worker FILE STAGE [STAGE ...]`.

The same as titan.worker otherwise; at its end the file says where its CPU went.
"""

import sys
from pathlib import Path

from bench.sampler import Sampler
from titan.worker import main

if __name__ == "__main__":
    sampler = Sampler()
    sampler.start()
    try:
        status = main(sys.argv[2:])
    finally:
        sampler.write(Path(sys.argv[1]))
    sys.exit(status)
