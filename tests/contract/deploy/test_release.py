"""What a release says about itself."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_metadata_are_complete() -> None:
    """License, readme, keywords, the supported Python, the typing marker, and the links that a reader looks for."""
    assert set(PROJECT["urls"]) == {"Homepage", "Documentation", "Source", "Issues", "Changelog", "Security"}
    assert PROJECT["license"] == "Apache-2.0"
    assert (
        f"Programming Language :: Python :: {PROJECT['requires-python'].removeprefix('>=')}" in PROJECT["classifiers"]
    )
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert (ROOT / "src/riskrelay/py.typed").exists()
    assert all((ROOT / name).is_file() for name in (PROJECT["readme"], *PROJECT["license-files"]))


def test_the_links_lead_to_files_that_exist() -> None:
    """Below the home of the project."""
    home = PROJECT["urls"]["Homepage"]
    assert all(url.startswith(home) for url in PROJECT["urls"].values())
    within = [url.removeprefix(f"{home}/") for url in PROJECT["urls"].values()]
    files = [url.split("/main/")[1] for url in within if "/main/" in url]
    assert len(files) == 2
    assert all((ROOT / name).exists() for name in files)


def test_the_changelog_has_the_version() -> None:
    """At its top."""
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0].startswith(f"## {PROJECT['version']}")
