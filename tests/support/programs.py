"""Programs that some tests need and only the system's packages bring."""

import os
import shutil

import pytest

_PATH = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"


def needed(*programs: str) -> str:
    """Skip the test unless the system has all of these *programs*, which `tests/install-programs` installs.

    Returns: the path of the first.
    """
    missing = [program for program in programs if shutil.which(program, path=_PATH) is None]
    if missing:
        names = " ".join(missing)
        pytest.skip(f"{names} not installed. To run these tests: sudo apt-get install {names}")
    return shutil.which(programs[0], path=_PATH) or ""
