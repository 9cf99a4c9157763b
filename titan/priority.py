"""Who has the CPU first when there is too little for all."""

import os
from typing import Final

_NICENESS: Final = 10
"""As `nice` gives it when nobody names a number: about a tenth of the share of others."""


def give_way() -> None:
    """Run this process behind those that move money, from now on: it only tells of them."""
    os.nice(_NICENESS)
