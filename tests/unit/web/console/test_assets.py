"""What the console loads is what static/README.md says."""

import re
from hashlib import sha256
from importlib.resources import files

from riskrelay.web.console.assets import Assets

STATIC = files("riskrelay.web.console").joinpath("static")


def test_the_foreign_files_are_the_named_ones() -> None:
    """Each row of the table: the hash is the file's, and its licence lies beside it."""
    text = STATIC.joinpath("README.md").read_text()
    rows = re.findall(r"\| `([\w.]+)` \| [^|]+ \| [^|]*`([\w.]+)` \| `(\w{64})` \|", text)
    assert [name for name, _, _ in rows] == ["htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css"]
    for name, licence, digest in rows:
        assert sha256(STATIC.joinpath(name).read_bytes()).hexdigest() == digest
        assert len(STATIC.joinpath(licence).read_text()) > 500


def test_a_new_version_of_a_file_has_a_new_address() -> None:
    """Its hash is part of it."""
    digest = sha256(STATIC.joinpath("console.css").read_bytes()).hexdigest()
    assert Assets().url("console.css") == f"/console/static/console.css?v={digest[:16]}"
