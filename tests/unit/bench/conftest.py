"""The modules of bench/, which import one another as if their directory were installed."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

BENCH = Path(__file__).parents[3] / "bench"


@contextmanager
def bench_importable() -> Iterator[Callable[[str], ModuleType]]:
    sys.path.insert(0, str(BENCH))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(BENCH))
