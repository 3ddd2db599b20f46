"""The site loads something from elsewhere, or hides a link that leads nowhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[3]


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the site is made of, to be broken."""
    root = tmp_path / "copy"
    for folder in ("docs", "deploy", "examples", "tests/integration/proxies/recorded", "tests/unit/endpoints"):
        shutil.copytree(ROOT / folder, root / folder)
    for path in (*ROOT.glob("*.md"), ROOT / "mkdocs.yml"):
        shutil.copy(path, root)
    return root


def test_no_page_loads_anything_from_elsewhere(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    pages = [path.read_text() for path in tmp_path.rglob("*.html")]
    styles = [path.read_text() for path in tmp_path.rglob("*.css")]
    assert len(pages) > 10
    assert styles
    loading = r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//|<link\b[^>]*\bhref=[\"']?(?:https?:)?//"
    assert [found for page in pages for found in re.findall(loading, page)] == []
    assert [found for style in styles for found in re.findall(r"url\([\"']?(?:https?:)?//|@import", style)] == []


def test_the_first_page_is_the_readme_with_links_into_the_site(tmp_path: Path) -> None:
    assert build(ROOT, tmp_path).returncode == 0
    first = (tmp_path / "index.html").read_text()
    assert 'href="options/"' in first
    assert "<code>deploy/prometheus/scrape_config.yaml</code> is a job that works" in " ".join(first.split())


@pytest.mark.parametrize(
    ("document", "link"),
    [
        ("docs/design.md", "missing.md"),
        ("docs/design.md", "options.md#nothing"),
        ("docs/design.md", "../deploy/missing.yaml"),
        ("docs/design.md", "../../outside"),
        ("README.md", "docs/missing.md"),
        ("README.md", "deploy/missing.yaml"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(copy: Path, tmp_path: Path, document: str, link: str) -> None:
    with (copy / document).open("a") as text:
        text.write(f"\n[told\nthere]({link})\n")
    done = build(copy, tmp_path / "site")
    assert done.returncode != 0
    assert link.removeprefix("docs/").partition("#")[0] in done.stderr


def test_a_document_that_is_not_in_the_contents_ends_the_build(copy: Path, tmp_path: Path) -> None:
    (copy / "docs" / "new.md").write_text("# New\n")
    done = build(copy, tmp_path / "site")
    assert done.returncode != 0
    assert "new.md" in done.stderr
