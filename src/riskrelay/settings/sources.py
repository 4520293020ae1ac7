"""Sources of settings besides the environment: a TOML file, and files that contain one secret each."""

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from riskrelay.core.errors import Misconfigured

_MAX_SECRET_BYTES = 64 * 1024  # guessed: far above many master keys


def read_toml(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Read the settings of a TOML file.

    Raises: Misconfigured: there is no such file, it is no TOML, or a key is unknown.
    """
    named = f"RISKRELAY_CONFIG names {path}"
    try:
        if not path.is_file():
            raise Misconfigured(f"{named}, which is not a file; correct the path or unset it")
        given = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Misconfigured(f"{named}, which cannot be read ({error.strerror}); check its owner and mode") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{named}, which is not UTF-8 at byte {error.start:,}; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # a number of too many digits is a ValueError only
        raise Misconfigured(f"{named}, which is not TOML: {error}") from error
    unknown = [f"{key}{closest(key.lower().removeprefix('riskrelay_'), known)}" for key in given if key not in known]
    if unknown:
        raise Misconfigured(f"{named}, which contains unknown settings: {'; '.join(unknown)}")
    return given


def read_secret(setting: str, path: Path) -> str:
    """Read a secret from the file that *setting* names.

    Raises: ValueError: it cannot be read, is empty or no text.
    """
    try:
        with path.open("rb") as file:
            secret = file.read(_MAX_SECRET_BYTES).decode().strip()
    except OSError as error:
        raise ValueError(f"{setting}: {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise ValueError(f"{setting}: {path} is not a text file") from None
    if not secret:
        raise ValueError(f"{setting}: {path} is empty")
    return secret


def closest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is most like *name*, if one is.

    >>> closest("prot", ["host", "port"])
    ' (did you mean port?)'
    """
    found = get_close_matches(name, list(known), 1)
    return f" (did you mean {found[0]}?)" if found else ""
