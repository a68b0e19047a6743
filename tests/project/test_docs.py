"""The documents hold together. Their programs are run by tests/docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in kept}


def broken_links(document: Path) -> list[str]:
    broken = []
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "# A `word`, here\n[a](page.md) [b](#a-word-here) [c](https://x.org) [d](no.md) [e](#nothing)\n"
    )
    assert broken_links(document) == ["no.md", "#nothing"]


def test_every_page_is_reached_from_the_readme() -> None:
    """Following links between documents; a link to a folder reaches all of its pages."""
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        document = ahead.pop()
        if document in reached or document.suffix != ".md":
            continue
        reached.add(document)
        links = [link.partition("#")[0] for link in LINK.findall(document.read_text(encoding="utf-8"))]
        targets = [(document.parent / link).resolve() for link in links if link and not re.match(r"[a-z]+:", link)]
        ahead += [page for target in targets for page in (target.glob("*.md") if target.is_dir() else [target])]
    assert [str(page.relative_to(ROOT)) for page in DOCUMENTS if page not in reached] == []


def test_decisions_are_numbered_without_gaps() -> None:
    names = [path.name for path in sorted((ROOT / "docs" / "explanation" / "decisions").glob("*.md"))]
    assert [name[:4] for name in names] == [f"{number:03}-" for number in range(1, len(names) + 1)]
    for name in names:
        title = (ROOT / "docs" / "explanation" / "decisions" / name).read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith(f"# {name[:3]} ")
