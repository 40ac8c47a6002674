"""Whether the built site holds together: no dead link or anchor in it, and nothing asked of another host.

mkdocs says of Markdown what is dead in it; this looks at what came out, the theme's own links included. Links to
other sites are not followed: what they are worth is known to whoever follows them.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(".make/site")
_LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("link", "href"),
}
"""What a browser fetches by itself, without anybody who clicks."""
_TOLD = {"canonical", "prev", "next", "alternate"}
"""Relations of a <link> that are told, and not fetched."""
_IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", re.IGNORECASE)


@dataclass
class Found(HTMLParser):
    """What stands in a page."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin as a parser does."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what it is called, where it leads, and what it fetches."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        for name in ("href", "src"):
            if name not in given:
                continue
            self.links.append(given[name])
            if (tag, name) in _LOADED and not set(given.get("rel", "").split()) & _TOLD:
                self.loaded.append(given[name])


def main() -> int:
    """Print what is wrong; the exit status."""
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else SITE
    wrong = list(problems(site))
    for line in wrong:
        print(line, file=sys.stderr)
    pages = len(list(site.rglob("*.html")))
    print(f"{site}: {pages} pages, {len(wrong)} problems")
    return 1 if wrong or not pages else 0


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a site, a sentence each."""
    site = site.resolve()
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for link in page.loaded:
            if urlsplit(link).netloc:
                yield f"{name}: asks another host for {link}"
        # 404.html is shown at any address: its links begin with the site's own.
        for link in page.links if name != "404.html" else ():
            why = _dead(site, path, link, pages)
            if why:
                yield f"{name}: {link}: {why}"
    for style in sorted(site.rglob("*.css")):
        if _IN_STYLES.search(style.read_text("utf-8")):
            yield f"{style.relative_to(site).as_posix()}: asks another host for something"


def _read(path: Path) -> Found:
    found = Found()
    found.feed(path.read_text("utf-8"))
    found.close()
    return found


def _dead(site: Path, path: Path, link: str, pages: Mapping[Path, Found]) -> str | None:
    """Why a link leads nowhere; None where it does not."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    written = unquote(parts.path)
    target = Path(os.path.normpath(path.parent / written)) if written else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.is_file():
        return "there is no such file in the site"
    page = pages.get(target)
    if parts.fragment and page is not None and unquote(parts.fragment) not in page.anchors:
        return "there is no such anchor in that page"
    return None


if __name__ == "__main__":
    sys.exit(main())
