"""What docs/shipping.md tells its readers to type for VictoriaLogs."""

import re
import textwrap
from pathlib import Path

GUIDE = Path(__file__).parents[4] / "docs" / "shipping.md"


def section() -> str:
    return GUIDE.read_text().partition("\n## VictoriaLogs\n")[2].partition("\n## ")[0]


def block(word: str) -> str:
    """Return the only indented block of the section that holds a word."""
    blocks = re.findall(r"(?:^    .*\n|(?<=\n)\n(?=    ))+", section(), re.MULTILINE)
    [found] = [found for found in blocks if word in found]
    return textwrap.dedent(found).strip("\n")


def address(path: str) -> str:
    """Return what follows /insert/ in the only address of the section with a path."""
    [found] = re.findall(rf"/insert/({re.escape(path)}[^`\s]*)", section())
    return str(found)


def parameter(name: str) -> str:
    """Return the value that the section's configuration of Vector or Filebeat gives to a parameter."""
    [found] = set(re.findall(rf"^    +{name}: (.*)$", section(), re.MULTILINE))
    return str(found).strip('"')
