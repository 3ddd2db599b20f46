"""For the site: the README is its first page, and what a link names outside docs/ becomes a path in the repository.

The files themselves are written for readers of the repository; the site has nothing but docs/.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HOME = "index.md"
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def repository(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).resolve().parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, HOME, content=(repository(config) / "README.md").read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, **_: Any) -> str:
    root = repository(config)
    at_home = page.file.src_uri == HOME
    folder = root if at_home else root / "docs" / PurePosixPath(page.file.src_uri).parent

    def within_the_site(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if ":" in target or not target:
            return found[0]
        path = (folder / target).resolve()
        if path.is_relative_to(root / "docs"):
            # mkdocs checks these itself; only the README says them from elsewhere.
            inside = path.relative_to(root / "docs").as_posix()
            return f"[{found['text']}]({inside}{'#' if anchor else ''}{anchor})" if at_home else found[0]
        if not path.exists() or not path.is_relative_to(root):
            raise PluginError(f"{page.file.src_uri}: the link to {found['target']} leads nowhere")
        named = path.relative_to(root).as_posix()
        return f"`{named}`" if found["text"].strip("`") == named else f"{found['text']} (`{named}`)"

    return LINK.sub(within_the_site, markdown)
