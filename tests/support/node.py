"""Programs in TypeScript that the tests run with Node.js: installed from their lock file, type-checked, compiled."""

import hashlib
import shutil
import subprocess
from pathlib import Path

_INSTALL_SECONDS = 300  # guessed: it took 3 s with packages in npm's cache, 8 s without


class NodeProject:
    """A folder with a package.json, a package-lock.json and a tsconfig.json that compiles to `build`.

    Making one runs `npm ci` (when the lock file is not what is installed) and the type checker, which compiles too:
    a program that does not fit the published types of its packages fails here.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._node = _found("node")
        self._install(_found("npm"))
        self._said("node_modules/.bin/tsc")

    def run(self, program: str, *arguments: str, timeout_seconds: float = 60) -> str:
        """Run *program* (the name of a compiled file, without .js).

        Returns: what it printed to standard output.
        """
        return self._said(self._node, f"build/{program}.js", *arguments, timeout_seconds=timeout_seconds)

    def _install(self, npm: str) -> None:
        locked = hashlib.sha256((self._directory / "package-lock.json").read_bytes()).hexdigest()
        installed = self._directory / "node_modules" / ".installed"
        if not installed.exists() or installed.read_text() != locked:
            self._said(npm, "ci", "--no-audit", "--no-fund", timeout_seconds=_INSTALL_SECONDS)
            installed.write_text(locked)

    def _said(self, *command: str, timeout_seconds: float = 60) -> str:
        done = subprocess.run(command, cwd=self._directory, capture_output=True, text=True, timeout=timeout_seconds)
        said = f"{' '.join(command[:2])} in {self._directory}:\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        return done.stdout


def _found(program: str) -> str:
    path = shutil.which(program)
    assert path is not None, (
        f"{program} is not installed: these tests need Node.js 20 or newer with npm (CONTRIBUTING.md)"
    )
    return path
