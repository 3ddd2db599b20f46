"""The work of a block of code, counted: a change that makes it dearer shows on any machine, however busy."""

import sys
from collections.abc import Callable
from typing import Any


def calls(work: Callable[[], object]) -> int:
    """Return the number of calls of functions, Python's and C's, while `work` runs."""
    count = 0

    def called(_frame: object, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
