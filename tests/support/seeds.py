"""Seeds of random tests."""

import os
import random


def further_seed(name: str) -> int:
    """Return a seed for a random test, and print it: a new one each time.

    Where CI is set, it is always the same one for this `name`, so that a change is judged by what it changes;
    `.ci/nightly` searches further.
    """
    seed = (random.Random(name) if "CI" in os.environ else random.SystemRandom()).randrange(2**32)
    print(f"{name}: seed {seed}")
    return seed
