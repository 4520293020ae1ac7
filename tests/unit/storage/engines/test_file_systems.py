"""Where a SQLite file may lie."""

from pathlib import Path

import pytest

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.file_systems import Mount, is_network, mount_of, require_local, require_one_name

MOUNTS = [Mount("/", "ext4"), Mount("/srv", "nfs4"), Mount("/srv/local", "xfs"), Mount("/mnt", "ext4")]


@pytest.mark.parametrize(
    ("path", "fstype"),
    [
        ("/var/lib/a.db", "ext4"),
        ("/srv/a.db", "nfs4"),
        ("/srv/local/deep/a.db", "xfs"),
        ("/srv/localised/a.db", "nfs4"),
    ],
)
def test_a_file_lies_on_the_deepest_mount_above_it(path: str, fstype: str) -> None:
    """By whole names: /srv/localised is not below /srv/local."""
    mount = mount_of(Path(path), MOUNTS)
    assert mount is not None
    assert mount.fstype == fstype


def test_a_mount_hides_an_earlier_one_at_its_path() -> None:
    """Of two mounts at one place the later counts."""
    mount = mount_of(Path("/mnt/a.db"), [*MOUNTS, Mount("/mnt", "cifs")])
    assert mount == Mount("/mnt", "cifs")


@pytest.mark.parametrize("fstype", ["nfs", "NFS4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.s3fs", "lustre"])
def test_network_file_systems_are_refused(fstype: str) -> None:
    """Those that have a name of their own, and whatever else comes by FUSE."""
    assert is_network(fstype)


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs", "apfs", "tmpfs", "overlay", "zfs", "fuseblk"])
def test_local_file_systems_are_taken(fstype: str) -> None:
    """A disk, memory, a container's layers."""
    assert not is_network(fstype)


def test_the_disk_of_this_machine_is_taken(tmp_path: Path) -> None:
    """Also for a file that is not there yet."""
    require_local(tmp_path / "not" / "there" / "yet.db")


def test_a_file_with_a_second_name_is_refused(tmp_path: Path) -> None:
    """Both names, for neither can know of the other's log; the one that is left is taken again."""
    file, other = tmp_path / "a.db", tmp_path / "b.db"
    require_one_name(file)
    file.touch()
    require_one_name(file)
    other.hardlink_to(file)
    for path in (file, other):
        with pytest.raises(Misconfigured, match=f"{path} has a second hard link"):
            require_one_name(path)
    other.unlink()
    require_one_name(file)
