"""The image, built and run without a container engine: the steps of the Dockerfile in a clean root of Debian.

A `chroot` stands for the container, `mmdebstrap` for the base image. What runs is root's, so other users skip it.
"""

import os
import shlex
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from riskrelay.bench.processes import free_port
from support.at_length import deploy_check
from support.dockerfile import Stage, stages, substituted
from support.minimal_root import make_root, registry_settings
from support.programs import needed

ROOT = Path(__file__).parents[3]
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"

pytestmark = [
    deploy_check,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root directory"),
    pytest.mark.timeout(1800),
]


class Container:
    """A root directory in which commands run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def build(self, stage: Stage, others: Mapping[str, "Container"]) -> None:
        """Do what the instructions of a stage say."""
        environment, directory = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}, "/"
        for one in stage.instructions:
            if one.word in ("ARG", "ENV"):
                pairs = one.pairs if one.word == "ENV" else dict([one.rest.partition("=")[::2]])
                environment |= {name: substituted(value, environment) for name, value in pairs.items()}
            elif one.word == "WORKDIR":
                directory = one.rest
                self.within(directory).mkdir(parents=True, exist_ok=True)
            elif one.word == "COPY":
                self._copy(shlex.split(one.rest), directory, others)
            elif one.word == "RUN":
                self.run(["sh", "-c", one.rest], environment, directory)

    def _copy(self, words: list[str], directory: str, others: Mapping[str, "Container"]) -> None:
        source = ROOT
        if words[0].startswith("--from="):
            source = others[words.pop(0).removeprefix("--from=")].root
        *names, target = words
        place = self.within(target if target.startswith("/") else f"{directory}/{target}")
        for name in names:
            file = source / name.lstrip("/")
            if file.is_dir():
                shutil.copytree(
                    file, place, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                into = place / file.name if target.endswith("/") else place
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, into)

    def within(self, path: str) -> Path:
        """The place of a path of the container on this machine."""
        return self.root / path.lstrip("/")

    def run(self, command: list[str], environment: Mapping[str, str], directory: str) -> str:
        """Run a command as root, as a build does."""
        script = f"cd {directory} && exec {shlex.join(command)}"
        given = {**registry_settings(), **environment}
        run = subprocess.run(["chroot", self.root, "sh", "-c", script], env=given, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
        return run.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, Stage]]:
    """The image: both stages, each built in a root of its own."""
    needed("mmdebstrap", "chroot", "unshare")
    directory = Path(f"/var/tmp/riskrelay-image-{os.getpid()}")
    directory.mkdir(mode=0o700)
    try:
        base = directory / "base"
        make_root(base, PACKAGES)
        (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        built: dict[str, Container] = {}
        final = stages(ROOT / "deploy/Dockerfile")[-1]
        for stage in stages(ROOT / "deploy/Dockerfile"):
            root = directory / (stage.name or "final")
            subprocess.run(["cp", "--archive", "--reflink=auto", base, root], check=True)
            built[stage.name] = Container(root)
            built[stage.name].build(stage, built)
        yield built[final.name], final
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def confined(image: tuple[Container, Stage], command: list[str], data: Path, **settings: str) -> list[str]:
    """A command line that runs *command* in the image: as its user, on a read-only root, with a volume and a /tmp."""
    container, stage = image
    user = stage.last("USER").rest
    volume = container.within(stage.last("VOLUME").rest)
    environment = [f"{name}={value}" for name, value in {**stage.environment, **settings}.items() if name != "PATH"]
    path = substituted(stage.environment["PATH"], {"PATH": "/usr/bin:/bin"})
    there = stage.last("WORKDIR").rest
    inside = ["env", "--ignore-environment", f"PATH={path}", *environment, "env", f"--chdir={there}", *command]
    script = f"""
        set -e
        mount --bind {container.root} {container.root}
        mount --bind {data} {volume}
        mount -t tmpfs -o mode=1777,size=64m none {container.root}/tmp
        mount --rbind /proc {container.root}/proc
        mount --rbind /dev {container.root}/dev
        mount -o remount,ro,bind {container.root}
        cd {container.root}
        exec setpriv --no-new-privs chroot --userspec={user} {container.root} {shlex.join(inside)}
    """
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", script]


def test_the_image_serves_from_a_read_only_root(image: tuple[Container, Stage], tmp_path: Path) -> None:
    """`init` creates private files, the health check succeeds, nothing else can be written, and SIGTERM ends it."""
    container, stage = image
    data = container.root.parent / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 10001, 10001)
    entrypoint = stage.last("ENTRYPOINT").command

    def ran(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(confined(image, [*command], data), capture_output=True, text=True)

    first = ran(*entrypoint, "init", "--json")
    assert first.returncode == 0, first.stderr
    assert {oct(path.stat().st_mode & 0o777) for path in data.iterdir()} == {"0o600"}
    assert {path.stat().st_uid for path in data.iterdir()} == {10001}
    refused = ran("sh", "-c", "touch /opt/riskrelay/x /etc/x")
    assert refused.returncode != 0
    assert refused.stderr.count("Read-only file system") + refused.stderr.count("Permission denied") == 2
    assert ran("id", "-u").stdout == "10001\n"
    assert ran(*entrypoint, "token", "create", "default").stdout.count("rr_") == 1

    port, operations = free_port(), free_port()
    ports = {"RISKRELAY_PORT": str(port), "RISKRELAY_OPERATIONS_PORT": str(operations), "RISKRELAY_HOST": "127.0.0.1"}
    with (tmp_path / "log").open("wb") as log:
        command = [*entrypoint, *stage.last("CMD").command]
        process = subprocess.Popen(confined(image, command, data, **ports), stdout=log, stderr=log)
    try:
        check = [word.replace(":8790/", f":{operations}/") for word in stage.last("HEALTHCHECK").command]
        deadline = time.monotonic() + 60
        while (probed := ran(*check)).returncode != 0:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, probed.stderr
            time.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/console/sign-in") as page:
            assert page.status == 200
        doctor = ran(*entrypoint, "doctor")
        assert "database" in doctor.stdout
    finally:
        process.terminate()
        assert process.wait(45) == 0


def test_the_image_has_what_runs_only(image: tuple[Container, Stage]) -> None:
    """No compiler of dependencies, no tests, no uv; the extra for traces is there."""
    container, _ = image
    packages = {path.name for path in container.within("/opt/riskrelay/lib/python3.11/site-packages").iterdir()}
    assert {"riskrelay", "opentelemetry", "uvloop"} <= packages
    assert not {"pytest", "mypy", "uv", "ruff", "playwright"} & packages
    assert not container.within("/build").exists()
    assert container.within("/opt/riskrelay/lib/python3.11/site-packages/riskrelay/web/openapi.yaml").exists()
