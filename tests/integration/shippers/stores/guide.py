"""What docs/shipping.md tells its readers to type."""

import re
import textwrap
from pathlib import Path

GUIDE = Path(__file__).parents[4] / "docs" / "shipping.md"


def blocks() -> list[str]:
    """Return the indented blocks of the guide."""
    found = re.findall(r"(?:^    .*\n|(?<=\n)\n(?=    ))+", GUIDE.read_text(), re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") for block in found]


def block(word: str) -> str:
    """Return the only block that holds a word."""
    [found] = [block for block in blocks() if word in block]
    return found
