"""Each field of the output has a counterpart in the shipping guide, or is named there as one without."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)


def names(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def table_of_words() -> str:
    guide = (ROOT / "docs/shipping.md").read_text()
    return guide.partition("## Words of OpenTelemetry and ECS")[2].partition("\n## ")[0]


def test_every_field_is_in_the_table_once():
    page = (ROOT / "docs/output.md").read_text()
    tables = [text for text in page.split("\n\n") if text.startswith("| field | type |")]
    listed = names(first_cells(table_of_words()))
    assert len(tables) == 4
    assert set(names(first_cells("\n".join(tables)))) <= set(listed)
    assert sorted(set(listed)) == sorted(listed)


def test_the_table_has_the_names_that_the_collector_gives():
    config = yaml.safe_load((ROOT / "deploy/shipping/otelcol/config.yaml").read_text())
    moves = [step for step in config["receivers"]["file_log/enricher"]["operators"] if step["type"] == "move"]
    given = {name for step in moves for name in re.findall(r'"([^"]+)"', step["to"])}
    assert set(re.findall(r"\*\*`([^`]+)`\*\*", table_of_words())) == given
