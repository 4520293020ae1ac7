"""Create the secrets of compose.postgres.yaml, once each: `python make_secrets.py DIRECTORY`.

A secret that exists stays as it is. Each file is readable by one user only: the user of the container that reads it.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

RISKRELAY, POSTGRES, GRAFANA = 10001, 999, 472
"""The users of the images."""


def create(directory: Path, *, give_away: bool) -> list[str]:
    """Create the missing secrets in *directory*.

    Args:
        give_away: whether each file gets its user, which requires root.

    Returns: the names of the created files.
    """
    password = secrets.token_urlsafe(32)
    contents = {
        "master_key": (RISKRELAY, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()),
        "grafana_password": (GRAFANA, secrets.token_urlsafe(24)),
        # These two belong together: the first is written last, so an interrupted run creates both again.
        "database_url": (RISKRELAY, f"postgresql://riskrelay:{password}@database/riskrelay"),
        "postgres_password": (POSTGRES, password),
    }
    if not (directory / "postgres_password").exists():
        (directory / "database_url").unlink(missing_ok=True)
    created = []
    for name, (user, content) in contents.items():
        path = directory / name
        if path.exists():
            continue
        unfinished = directory / f".{name}"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(content + "\n")
            if give_away:
                os.fchown(file.fileno(), user, user)
        unfinished.rename(path)
        created.append(name)
    return created


if __name__ == "__main__":
    os.umask(0o077)
    made = create(Path(sys.argv[1]), give_away=os.geteuid() == 0)
    sys.stdout.write(" ".join(["created:", *made] if made else ["all secrets exist"]) + "\n")
