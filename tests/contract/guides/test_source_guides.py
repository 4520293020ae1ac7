"""The guides of the kinds of sources: their samples are taken, and they name all that a kind gives."""

from pathlib import Path

import msgspec
import pytest

from riskrelay.core.sources.signals import ActivitySignal, FindingSignal
from riskrelay.mapping.compiled import CompiledMapping
from riskrelay.mapping.shipped import shipped_mapping, shipped_texts
from support.guides import blocks_of

GUIDES = Path(__file__).parents[3] / "docs" / "guides" / "sources"
KINDS = sorted(path.stem for path in GUIDES.glob("*.md") if path.stem in shipped_texts())


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_of_a_guide_is_taken(kind: str) -> None:
    """And the guide says how to try it."""
    blocks = blocks_of(GUIDES / f"{kind}.md")
    files = [block for block in blocks if block.file]
    commands = "".join(block.text for block in blocks if block.language == "sh")
    assert files
    for block in files:
        assert f"riskrelay source try --kind {kind} {block.file}\n" in commands
        event = msgspec.json.encode(msgspec.json.decode(block.text), order="deterministic")
        assert isinstance(CompiledMapping(shipped_mapping(kind)).map(event), (ActivitySignal, FindingSignal))


@pytest.mark.parametrize("kind", KINDS)
def test_a_guide_says_what_its_kind_gives_and_what_it_does_not(kind: str) -> None:
    """It names every behavior that a source of the kind creates. The index links to it."""
    guide = (GUIDES / f"{kind}.md").read_text()
    suggested = [behavior.behavior_id for behavior in shipped_mapping(kind).behaviors]
    assert [behavior for behavior in suggested if f"`{behavior}`" not in guide] == []
    assert "## What is not mapped" in guide
    assert f"[`{kind}`]({kind}.md)" in (GUIDES / "README.md").read_text()
