"""A link or an anchor in a document that leads nowhere: in the repository, where most read it, and on the site."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)
)
FENCE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)`*\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(
    r"\]\(\s*<?(?P<target>[^)\s>]*)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s+(?P<defined>\S+)", re.MULTILINE
)
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets in a document; what is code has none."""
    prose = CODE.sub("", FENCE.sub("", text))
    return [found["target"] if found["target"] is not None else found["defined"] for found in LINK.finditer(prose)]


def anchors(text: str) -> set[str]:
    """What a link into the document may name: its headings, as GitHub makes anchors of them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken(document: Path, root: Path) -> list[str]:
    """The relative links of a document that lead nowhere, or out of `root`."""
    wrong = []
    for target in links(document.read_text("utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        reachable = path.exists() and path.is_relative_to(root)
        if not reachable or (anchor and anchor not in anchors(path.read_text("utf-8"))):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_all_links_lead_somewhere(document: Path) -> None:
    assert broken(document, ROOT) == []


def test_the_documents_are_looked_at() -> None:
    assert ROOT / "README.md" in DOCUMENTS
    assert sum(len(links(document.read_text("utf-8"))) for document in DOCUMENTS) > 50


@pytest.mark.parametrize(
    "line",
    [
        "[a](missing.md)",
        "[a\nb](missing.md#b)",
        "![a](missing.png)",
        "[a](other.md#nothing)",
        "[a](#nothing)",
        "[a](other.md#twice-2)",
        "[a](../outside.md)",
        "[a]()x [b](missing.md)",
        "[a]: missing.md",
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "outside.md").write_text("")
    root = tmp_path / "root"
    root.mkdir()
    (root / "other.md").write_text("# Other\n\n## Twice\n\n## Twice\n")
    (root / "a.md").write_text(f"# A\n\n{line}\n")
    assert broken(root / "a.md", root)


@pytest.mark.parametrize(
    "line",
    [
        "[a](other.md)",
        "[a](other.md#f5s-nginx-a--b)",
        "[a](other.md#twice-1)",
        "[a](#a)",
        "[a](https://example.com/#nothing)",
        "`[a](missing.md)`",
        "```\n[a](missing.md)\n```",
    ],
)
def test_a_link_that_leads_somewhere_is_not(tmp_path: Path, line: str) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## F5's `nginx`, a & b\n\n## Twice\n\n## Twice\n\n```\n# no\n```\n")
    (tmp_path / "a.md").write_text(f"# A\n\n{line}\n")
    assert broken(tmp_path / "a.md", tmp_path) == []


TESTS = re.compile(r"`(?:tests/)?((?:\w+/)+test_\w+\.py)`")


@pytest.mark.parametrize(
    "document", [ROOT / "SECURITY.md", ROOT / "docs" / "reliability.md"], ids=lambda path: path.name
)
def test_tests_that_a_document_names_exist(document: Path) -> None:
    names = TESTS.findall(document.read_text("utf-8"))
    assert len(names) > 10
    assert [name for name in names if not (ROOT / "tests" / name).is_file()] == []
