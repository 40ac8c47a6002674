"""What the site has besides docs/: the repository's own pages, and the files that pages link to.

The pages are written for people who read them in the repository, where a link to `../deploy/nginx.conf` or
`../README.md` leads somewhere. The site has to hold all that by itself: a file that is linked becomes a page with its
text, a folder a page with its list, another Markdown file a page like those of docs/. What is linked and is not there
stays as it is, so that `strict: true` fails on it.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parent.parent
BEGIN: Final = ("README.md", "CHANGELOG.md", "SECURITY.md", "deploy/README.md")
"""Pages that are there though nothing may link to them."""
PLACE: Final = "repository"
"""The folder of the site that stands for the repository."""
_FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2[`~]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)(?P<title>\s+\"[^\"]*\")?\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|/")
_LANGUAGES: Final = {
    ".py": "python",
    ".mjs": "js",
    ".tsx": "tsx",
    ".json": "json",
    ".graphql": "graphql",
    ".yaml": "yaml",
    ".toml": "toml",
    ".conf": "nginx",
    ".service": "ini",
}

_paths: dict[str, str] = {}
"""Of each page of the site that is not in docs/: the repository's path that it stands for."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The decisions into the navigation: there is one more of them each week."""
    decisions = sorted(
        ROOT.glob("docs/decisions/*.md"), key=lambda path: (path.stem != "README", path.stem)
    )
    last = config.nav[-1] if config.nav else {}
    last["Explanation"].append({"Decisions": [f"decisions/{path.name}" for path in decisions]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """All that is linked from pages, and from those that are linked."""
    _paths.clear()
    waiting = [*BEGIN]
    for file in files.documentation_pages():
        waiting += _linked(_path_of(file.src_uri), file.content_string)
    while waiting:
        path = waiting.pop()
        place = _place_of(path)
        if place is None or place in _paths or files.get_file_from_path(place):
            continue
        text = _text_of(path)
        _paths[place] = path
        files.append(
            File.generated(config, place, content=text, inclusion=InclusionLevel.NOT_IN_NAV)
        )
        waiting += _linked(path, text)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The same page, with links that lead to where things are in the site."""
    here = _path_of(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target, mark, anchor = match["target"].partition("#")
        if _ELSEWHERE.match(match["target"]):
            return match[0]
        place = _place_of(_joined(here, target))
        if place is None:
            return match[0]
        start = posixpath.dirname(page.file.src_uri) or "."
        return f"]({posixpath.relpath(place, start)}{mark}{anchor}{match['title'] or ''})"

    return "".join(
        piece if is_code else _LINK.sub(moved, piece) for piece, is_code in _pieces(markdown)
    )


def _path_of(place: str) -> str:
    """What a page of the site stands for, from the repository's root on."""
    return _paths.get(place) or f"docs/{place}"


def _place_of(path: str) -> str | None:
    """Where a path of the repository is in the site; None where there is no such path."""
    real = ROOT / path
    if path.startswith("..") or not real.exists():
        return None
    if real.is_dir():
        path = path if not (real / "README.md").exists() else f"{path}/README.md"
        real = ROOT / path
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if real.is_dir():
        return f"{PLACE}/{path}/index.md"
    return f"{PLACE}/{path}" if real.suffix == ".md" else f"{PLACE}/{path}.md"


def _text_of(path: str) -> str:
    """The page of a file or a folder."""
    real = ROOT / path
    if real.suffix == ".md":
        return real.read_text("utf-8")
    head = f"---\nsearch:\n  exclude: true\n---\n\n# `{path}`\n\n"
    if real.is_dir():
        names = sorted(
            child.name
            for child in real.iterdir()
            if child.name not in ("node_modules", "__pycache__")
        )
        folder = posixpath.basename(path)
        # As seen from the folder's own place, which its page stands for.
        return head + "".join(f"- [`{name}`]({folder}/{name})\n" for name in names)
    return (
        f"{head}```{_LANGUAGES.get(real.suffix, 'text')}\n{real.read_text('utf-8').rstrip()}\n```\n"
    )


def _linked(path: str, text: str) -> Iterator[str]:
    """The paths that a page links to."""
    for piece, is_code in _pieces(text):
        for match in () if is_code else _LINK.finditer(piece):
            if not _ELSEWHERE.match(match["target"]):
                yield _joined(path, match["target"].partition("#")[0])


def _joined(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text, piece by piece: is it a block of code?"""
    end = 0
    for block in _FENCED.finditer(text):
        yield text[end : block.start()], False
        yield block[0], True
        end = block.end()
    yield text[end:], False
