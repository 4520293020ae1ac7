"""The guides of the kinds of sources: their samples are taken, and they name all that a kind gives."""

from pathlib import Path

import pytest

from riskrelay.mapping.shipped import shipped_mapping, shipped_texts
from support.guides import assert_it_prints_what_it_shows, blocks_of, run

GUIDES = Path(__file__).parents[3] / "docs" / "guides" / "sources"
KINDS = sorted(path.stem for path in GUIDES.glob("*.md") if path.stem in shipped_texts())


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_of_a_guide_becomes_what_it_says(tmp_path: Path, kind: str) -> None:
    """Every sample of a guide is tried, and taken. No service runs."""
    guide = GUIDES / f"{kind}.md"
    blocks = blocks_of(guide)
    commands = "".join(block.text for block in blocks if block.language == "sh")
    files = [block.file for block in blocks if block.file]
    assert files
    assert [file for file in files if f"source try --kind {kind} {file}\n" not in commands] == []
    printed = run(guide, tmp_path, {})
    assert_it_prints_what_it_shows(guide, printed)
    assert "ignored" not in "".join(printed)
    assert "refused" not in "".join(printed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_guide_says_what_its_kind_gives_and_what_it_does_not(kind: str) -> None:
    """It names every behavior that a source of the kind creates. The index links to it."""
    guide = (GUIDES / f"{kind}.md").read_text()
    suggested = [behavior.behavior_id for behavior in shipped_mapping(kind).behaviors]
    assert [behavior for behavior in suggested if f"`{behavior}`" not in guide] == []
    assert "## What is not mapped" in guide
    assert f"[`{kind}`]({kind}.md)" in (GUIDES / "README.md").read_text()
