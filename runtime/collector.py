"""The garbage collector, set for processes that make and drop many records in batches.

A batch of 1,000 records is some 20,000 objects that all die together. With Python's thresholds the
collector walks them, and everything else, dozens of times before that: 40 % of a stage's time.
Almost nothing here is a cycle, so it may look far less often.
"""

import gc
from typing import Final

_YOUNG_OBJECTS_MAX: Final = 50_000
"""New objects, less those that died, after which the young ones are looked at."""

_YOUNG_ROUNDS: Final = 20
_MIDDLE_ROUNDS: Final = 100


def spare_collector() -> None:
    """Look seldom, and never again at what was made until now: code, classes, settings."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS_MAX, _YOUNG_ROUNDS, _MIDDLE_ROUNDS)
