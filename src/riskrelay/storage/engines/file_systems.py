"""Where a SQLite file may lie: on a disk of this machine, under one name. On a network file system its locks and its
shared memory do not hold, and two machines would write at once (https://www.sqlite.org/wal.html, "all processes must be
on the same host")."""

import fcntl
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.private_files import ensure_private

# Names of Linux and macOS. The names of FUSE file systems cannot be listed completely, so the local ones are listed.
_NETWORK = frozenset(
    (
        *("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs", "vboxsf", "webdav"),
    )
)
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.ext4", "fuse.exfat", "fuse.zfs"})


class Mount(NamedTuple):
    """A mounted file system: its mount point and its type."""

    mountpoint: str
    fstype: str


def require_local(path: Path) -> None:
    """Refuse a database file on a network file system.

    Args:
        path: the file, which need not exist.

    Raises: Misconfigured: the error names the file system and the fix.
    """
    mounts = [Mount(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    mount = mount_of(path.resolve(), mounts)
    if mount is not None and is_network(mount.fstype):
        raise Misconfigured(
            f"{path} is on {mount.mountpoint}, a network file system ({mount.fstype}), where SQLite loses data; move "
            "it to a local disk (RISKRELAY_DATABASE_URL=sqlite:////var/lib/riskrelay/riskrelay.db), or use PostgreSQL"
        )


def require_one_name(path: Path) -> None:
    """Refuse a database file with a second name by a hard link.

    SQLite keeps its log next to the name by which it opened the file, so processes with different names do not share a
    log (https://www.sqlite.org/howtocorrupt.html, "Multiple links to the same file").

    Args:
        path: the file, which need not exist.

    Raises: Misconfigured: the error describes how to find the other names.
    """
    if path.exists() and path.stat().st_nlink > 1:
        raise Misconfigured(
            f"{path} has a second hard link, through which another process could damage it; remove one of the links "
            f"(`find / -xdev -samefile {path}` lists them). To make a copy, use `riskrelay backup`"
        )


def hold_alone(path: Path) -> IO[str]:
    """Take the SQLite file for this process alone, until the returned handle is closed.

    Args:
        path: of the file, or of a symbolic link to it: the lock lies beside the file.

    Raises: Misconfigured: another process has it, or the lock cannot be created.
    """
    real = path.resolve()
    place = real.with_name(real.name + ".lock")
    ensure_private(place)
    try:
        lock = place.open("w")
    except OSError as error:
        raise Misconfigured(
            f"{place} cannot be opened ({error.strerror}); change its owner to the user that runs riskrelay"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Misconfigured(
            f"another riskrelay process uses {path}; stop it, or use PostgreSQL to run several processes"
        ) from error
    return lock


def mount_of(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that contains *path*: the deepest one, and of two at one mount point the later one.

    >>> mount_of(Path("/srv/data/a.db"), [Mount("/", "ext4"), Mount("/srv", "nfs4"), Mount("/srv/da", "ext4")])
    Mount(mountpoint='/srv', fstype='nfs4')
    """
    holding = [mount for mount in mounts if path.is_relative_to(mount.mountpoint)]
    return max(reversed(holding), key=lambda mount: len(Path(mount.mountpoint).parts), default=None)


def is_network(fstype: str) -> bool:
    """Return whether a file system of that type may be on another machine.

    >>> [is_network(name) for name in ("ext4", "nfs4", "fuse.sshfs", "overlay", "fuse.fuse-overlayfs")]
    [False, True, True, False, False]
    """
    name = fstype.lower()
    return name in _NETWORK or (name.startswith("fuse.") and name not in _LOCAL_FUSE)
