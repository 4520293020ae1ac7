"""A root directory with a minimal Debian, for tests of what a new machine needs."""

import shutil
import subprocess
from pathlib import Path

from support.readme import NETWORK_SETTINGS

_OF_THIS_MACHINE = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


def make_root(root: Path, packages: str) -> None:
    """Install Debian with *packages* in a directory, and with this machine's way to its registries."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", "bookworm", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    for file in filter(Path.exists, map(Path, _OF_THIS_MACHINE)):
        shutil.copyfile(file, root / file.relative_to("/"))


def registry_settings() -> dict[str, str]:
    """Return this machine's settings for its registries that also hold in another root."""
    return {name: value for name, value in NETWORK_SETTINGS.items() if name != "PIP_FIND_LINKS"}
