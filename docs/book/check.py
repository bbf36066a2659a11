"""Checks the books: `check.py FOLDER`, where FOLDER is the built book.

Every relative link and anchor in docs/**/*.md and in the built pages leads somewhere; links to the outside are in a
short list; the dashboard and the alert rules name series that docs/METRICS.md names; the chapter on errors has every
code of docs/API-DESIGN.md.
"""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

BOOK = Path(__file__).resolve().parent
DOCS = BOOK.parent
# Where a link may lead outside: standards, and whom the text speaks of.
OUTSIDE = {
    "schemathesis.io",
    "withpersona.com",
    "www.rfc-editor.org",
    "www.standardwebhooks.com",
    "www.w3.org",
}
METRIC = re.compile(r"\bholdfast_[a-z_]+")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], {"", "top"}
        self.feed(path.read_text())

    def handle_starttag(self, _tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            elif name == "id":
                self.anchors.add(value)


def is_allowed(link):
    """Whether a link to the outside is one of those that we chose."""
    return urlsplit(link).scheme in ("https", "mailto") and urlsplit(link).hostname in OUTSIDE


def check_built(folder):
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        yield f"{folder}: there is no built book"
    for path, page in pages.items():
        # The error page is served from anywhere, and its links begin at the root.
        for link in [] if path.name == "404.html" else page.links:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if not is_allowed(link):
                    yield f"{path}: {link} leads outside and is in no list"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{path}: {link} leads nowhere"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{path}: {link} names no heading"


def check_sources():
    """Relative links in the sources are the house rules' matter; here are those to the outside."""
    for path in sorted(DOCS.rglob("*.md")):
        for link in LINK.findall(FENCE.sub("", path.read_text())):
            parts = urlsplit(link)
            if parts.scheme and not is_allowed(link):
                yield f"{path}: {link} leads outside and is in no list"
            elif not parts.scheme and parts.path and not (path.parent / unquote(parts.path)).exists():
                yield f"{path}: {link} leads nowhere"


def check_monitoring():
    series = set()
    for row in re.findall(r"^\| (`.*?) \|", (DOCS / "METRICS.md").read_text(), re.MULTILINE):
        series |= {f"holdfast_{name}" for name in re.findall(r"`([a-z_]+)`", row)}
    if len(series) < 10:
        yield "docs/METRICS.md: its table of series was not understood"
    series |= {f"{name}_bucket" for name in series if name.endswith("_seconds")}
    dashboard = json.loads((BOOK / "monitoring/dashboard.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    alerts = re.findall(r"expr: (.*)", (BOOK / "monitoring/alerts.yml").read_text())
    chapter = [(BOOK / "src/operate/monitor.md").read_text(), (BOOK / "src/operate/errors.md").read_text()]
    for text in shown + alerts + chapter:
        for name in METRIC.findall(text):
            if name not in series:
                yield f"monitoring: {name} is not in docs/METRICS.md"
    if not shown or not alerts:
        yield "monitoring: nothing is shown, or nothing alarms"


def check_errors():
    table = (DOCS / "API-DESIGN.md").read_text().split("\n## Codes\n")[1].split("\n## ")[0]
    codes = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    if len(codes) < 40:
        yield "docs/API-DESIGN.md: its table of codes was not understood"
    chapter = (BOOK / "src/operate/errors.md").read_text()
    named = set(re.findall(r"`([a-z][a-z-]+)`", chapter))
    for code in sorted(codes - named):
        yield f"operate/errors.md: nothing about {code}"


def main():
    folder = Path(sys.argv[1]).resolve()
    faults = [*check_built(folder), *check_sources(), *check_monitoring(), *check_errors()]
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


main()
