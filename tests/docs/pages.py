"""What a documentation page asks to be run: its fenced blocks, in order.

The conventions, which a reader does not notice:

* A ``python`` block whose first line is ``# name.py`` is that file; so is ``toml`` with ``# name.toml``. Any other
  ``python`` block is a cell: the cells of a page run in one Python, one after the other.
* An ``sh`` block runs in bash, with ``-e`` and ``pipefail``; what it exports, the next one has. One that starts with
  ``millrace up`` or ``millrace models serve`` is a server, which stays until the page ends.
* ``$RUN`` is the newest run, and the ports 8080 and 5000 stand for free ones.
* ``<!-- not run: reason -->`` above a block leaves it out, ``<!-- exits: 1 -->`` says how it ends.

Blocks in other languages are text.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "tutorial")])
"""The tutorial has a test of its own, with the demo."""
RUNNABLE = ("python", "sh", "toml")

_FENCE = re.compile(
    r"^(?:<!-- (?P<word>not run|exits): (?P<said>[^\n]+?) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))\n")
_SERVER = re.compile(r"millrace (?:up|models serve)\b")


@attrs.frozen
class Block:
    """``reason``: why it is not run. ``file``: the file that it is."""

    page: str
    line: int
    language: str
    text: str
    reason: str
    exit_code: int

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runnable(self) -> bool:
        return self.language in RUNNABLE and not self.reason

    @property
    def file(self) -> str:
        match = _FILE.match(self.text)
        return match[1] if match and self.language != "sh" else ""

    @property
    def is_server(self) -> bool:
        return self.language == "sh" and _SERVER.match(self.text) is not None


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(name: str, text: str) -> list[Block]:
    """The fenced blocks of a page that runs ``python``, ``sh`` or ``toml``, those that are left out included."""
    found = []
    for match in _FENCE.finditer(text):
        if match["language"] not in RUNNABLE:
            continue
        line = text.count("\n", 0, match.start("text")) + 1
        reason = match["said"] if match["word"] == "not run" else ""
        code = int(match["said"]) if match["word"] == "exits" else 0
        found.append(Block(name, line, match["language"], match["text"], reason, code))
    return found


BLOCKS = {name_of(page): blocks_of(name_of(page), page.read_text(encoding="utf-8")) for page in PAGES}
"""By page, of those pages that have any."""
