"""What state machines over the embedded store share: a directory that ends with the process, and a database to copy."""

import asyncio
import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from support.databases import migrated_sqlite

SOAK = bool(os.environ.get("RISKRELAY_SOAK"))
DIRECTORY = Path(tempfile.mkdtemp(prefix="riskrelay-machine-"))
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)


@cache
def template() -> Path:
    """A database with the newest schema and nothing in it."""
    path = DIRECTORY / "template.db"
    asyncio.run(migrated_sqlite(path).close())
    return path
