"""The delay before another attempt after failures in a row."""

import random
from collections.abc import Callable


def backoff_delay(failures: int, *, initial: float, maximum: float, rng: Callable[[], float] = random.random) -> float:
    """Return how many seconds to wait after `failures` failures in a row; 0 after none.

    The delay doubles with each failure, from `initial` to `maximum`. Half of it is random, so that clients that failed
    together do not come back together. `rng` returns floats in [0, 1).
    """
    if not failures:
        return 0.0
    return min(initial * 2.0 ** min(failures - 1, 30), maximum) * (0.5 + rng() / 2)
