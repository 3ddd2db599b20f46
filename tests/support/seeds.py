"""Seeds of random tests."""

import os
import random


def fresh_seed(name: str) -> int:
    """Return a seed that nobody has seen, and print it.

    Where CI is set, it is always the same one for this `name`, so that a change is judged by what it changes.
    `.ci/nightly` sets FRESH_SEEDS to search further all the same.
    """
    is_fixed = "CI" in os.environ and "FRESH_SEEDS" not in os.environ
    seed = (random.Random(name) if is_fixed else random.SystemRandom()).randrange(2**32)
    print(f"{name}: seed {seed}")
    return seed
