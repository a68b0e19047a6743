"""Every Python, shell and settings block of the documentation does what its page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.page_session import PageSession
from tests.docs.pages import BLOCKS, Block, blocks_of

POSTGRES = "postgresql://millrace:secret@db.example/millrace"
"""How pages write a PostgreSQL database; the tests put a real one there."""
RUN_PAGES = [name for name, blocks in BLOCKS.items() if any(block.runnable for block in blocks)]
POSTGRES_PAGES = [name for name in RUN_PAGES if any(POSTGRES in block.text for block in BLOCKS[name] if block.runnable)]


@pytest.mark.parametrize("name", [name for name in RUN_PAGES if name not in POSTGRES_PAGES])
def test_the_blocks_of_a_page_run(name: str, tmp_path: Path) -> None:
    run_page(BLOCKS[name], PageSession(tmp_path))


@pytest.mark.parametrize("name", POSTGRES_PAGES)
def test_the_blocks_of_a_page_run_on_postgresql(name: str, tmp_path: Path, postgres_url: str) -> None:
    run_page(BLOCKS[name], PageSession(tmp_path, {POSTGRES: postgres_url}))


def run_page(blocks: list[Block], session: PageSession) -> None:
    with session:
        for block in blocks:
            if block.runnable:
                session.run(block)


@pytest.mark.parametrize("name", sorted(name for name in BLOCKS if name.startswith("docs/how-to/")))
def test_a_guide_has_something_that_runs(name: str) -> None:
    blocks = BLOCKS[name]
    assert any(block.runnable for block in blocks) or any(block.reason for block in blocks)


@pytest.mark.parametrize("name", RUN_PAGES)
def test_a_file_that_a_page_shows_is_used_by_it(name: str) -> None:
    """Else nothing would have run it. A file in the pipelines folder is used by `millrace up`."""
    blocks = BLOCKS[name]
    for place, block in enumerate(blocks):
        if not block.file or not block.runnable:
            continue
        used = (block.file, Path(block.file).stem)
        later = [b.text for b in blocks[place + 1 :] if b.runnable]
        serves = block.file.startswith("pipelines/") and any(b.is_server for b in blocks if b.runnable)
        settings = block.file == "millrace.toml" and any("millrace " in text for text in later)
        assert serves or settings or any(word in text for text in later for word in used), block.where


def test_most_blocks_run() -> None:
    """What is left out is the exception, and is counted."""
    everything = [block for blocks in BLOCKS.values() for block in blocks]
    left_out = [f"{block.where}: {block.reason}" for block in everything if block.reason]
    print(f"{len(everything) - len(left_out)} blocks run, {len(left_out)} do not:", *left_out, sep="\n  ")
    assert len(left_out) < len(everything) / 4, left_out


SMALL_PAGE = """
```python
x = 1
```

```python
assert x == 1
```

```python
# flows/one.py
print("one")
```

```sh
export WORD=two
python flows/one.py
```

<!-- exits: 3 -->
```sh
[ "$WORD" = two ] && exit 3
```

<!-- not run: it takes a cloud -->
```sh
false
```

```text
nothing
```
"""


def test_blocks_are_found_and_run_in_order(tmp_path: Path) -> None:
    blocks = blocks_of("page.md", SMALL_PAGE)
    assert [(b.language, b.file, b.reason, b.exit_code) for b in blocks] == [
        ("python", "", "", 0),
        ("python", "", "", 0),
        ("python", "flows/one.py", "", 0),
        ("sh", "", "", 0),
        ("sh", "", "", 3),
        ("sh", "", "it takes a cloud", 0),
    ]
    with PageSession(tmp_path) as session:
        printed = [session.run(block) for block in blocks if block.runnable]
    assert printed == ["", "", "", "one\n", ""]


@pytest.mark.parametrize(
    ("language", "text"),
    [("python", "assert False\n"), ("sh", "false | cat\n"), ("toml", "a = 1\n"), ("sh", "millrace models serve no\n")],
)
def test_a_block_that_fails_is_found(language: str, text: str, tmp_path: Path) -> None:
    with PageSession(tmp_path) as session, pytest.raises(AssertionError, match=r"page\.md:1"):
        session.run(Block("page.md", 1, language, text, "", 0))
