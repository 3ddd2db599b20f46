"""Each field of the output has a counterpart in the shipping guide, or is named there as one without."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)


def names(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def bold_names(column: int) -> set[str]:
    """Return the names that the table has in bold in a column."""
    rows = [line.split(" | ") for line in table_of_words().splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"\*\*`([^`]+)`\*\*", row[column])}


def aliases(properties: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the path of each alias in a mapping, by its whole name."""
    result = {prefix + name: field["path"] for name, field in properties.items() if field.get("type") == "alias"}
    for name, field in properties.items():
        result |= aliases(field.get("properties", {}), f"{prefix}{name}.")
    return result


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
    assert bold_names(1) == given


def test_the_table_has_the_aliases_of_the_index_template():
    template = json.loads((ROOT / "deploy/shipping/elasticsearch/index-template.json").read_text())
    properties = template["template"]["mappings"]["properties"]
    found = aliases(properties)
    assert bold_names(2) == found.keys()
    lines = table_of_words().splitlines()
    for name, path in found.items():
        field = path.removeprefix("ingress.")
        # An alias leads to one field that has values of its own.
        assert "properties" not in properties["ingress"]["properties"][field]
        [row] = [line for line in lines if f"`{field}`" in line.split(" | ")[0]]
        assert f"**`{name}`**" in row.split(" | ")[2]
