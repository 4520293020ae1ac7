"""The Dockerfile: what runs as whom, and that it installs what the lock file says."""

import tomllib
from pathlib import Path

import pytest

from riskrelay.cli.tree import PARTS
from support.dockerfile import Stage, stages

ROOT = Path(__file__).parents[3]
COMMANDS = {name for entries in PARTS.values() for name in entries}


@pytest.fixture(scope="module")
def image() -> Stage:
    """The stage that runs."""
    return stages(ROOT / "deploy/Dockerfile")[-1]


@pytest.fixture(scope="module")
def build() -> Stage:
    """The stage that builds."""
    return stages(ROOT / "deploy/Dockerfile")[0]


def test_the_image_installs_the_lock_file(build: Stage) -> None:
    """Each dependency has the version and the hash of uv.lock; nothing for developers is installed."""
    synced = [one.rest for one in build.all("RUN") if "uv sync" in one.rest]
    assert len(synced) == 2
    assert all("--locked" in command and "--no-dev" in command for command in synced)


def test_what_runs_is_not_root(image: Stage) -> None:
    """A number, so that Kubernetes can see that it is not root; nothing changes the user afterwards."""
    assert image.last("USER").rest == "10001:10001"
    words = [one.word for one in image.instructions]
    assert "RUN" not in words[words.index("USER") :]


def test_the_data_directory_is_private(image: Stage) -> None:
    """The volume begins with the mode and the owner of this directory."""
    (prepared,) = image.all("RUN")
    assert f"install --directory --mode 0700 --owner 10001 --group 10001 {image.last('VOLUME').rest}" in prepared.rest
    assert image.environment["RISKRELAY_DATABASE_URL"] == f"sqlite:///{image.last('VOLUME').rest}/riskrelay.db"


def test_the_command_exists(image: Stage) -> None:
    """The image runs `riskrelay serve`."""
    assert image.last("ENTRYPOINT").command == ["riskrelay"]
    assert image.last("CMD").command == ["serve"]
    assert "serve" in COMMANDS


def test_labels_and_version(image: Stage) -> None:
    """The labels of OCI; the version is that of the package."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert image.environment["VERSION"] == version
    labels = image.last("LABEL").pairs
    assert {name.rpartition(".")[2] for name in labels} >= {"title", "description", "licenses", "version", "revision"}
    assert all(name.startswith("org.opencontainers.image.") for name in labels)


def test_everything_that_is_copied_is_in_the_context(build: Stage) -> None:
    """The .dockerignore lets through what the image is built from: also all that the wheel takes from elsewhere."""
    copied = {word for one in build.all("COPY") for word in one.rest.split()[:-1]}
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert copied == {name for name in let_through if (ROOT / name).exists()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]) <= copied
