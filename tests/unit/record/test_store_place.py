"""Where a record in a file may be kept."""

from pathlib import Path, PurePosixPath

import pytest

from distctl.adapters.store.place import file_system, refuse_network
from distctl.errors import StoreError

MOUNTS = r"""/dev/vda1 / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
filer:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb1 /home/ann/local xfs rw 0 0
//filer/share /mnt/team\040share cifs rw 0 0
ann@box:/srv /srv fuse.sshfs rw 0 0
/dev/vdc1 /data ext4 rw 0 0
filer:/data /data nfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/prod.db", "ext4"),
        ("/tmp/prod.db", "tmpfs"),
        ("/tmpfile", "ext4"),
        ("/home/ann/prod.db", "nfs4"),
        ("/home/ann/local/.distctl/prod.db", "xfs"),
        ("/mnt/team share/prod.db", "cifs"),
        ("/srv/prod.db", "fuse.sshfs"),
        ("/data/prod.db", "nfs"),
    ],
)
def test_the_longest_and_latest_mount_point_says_the_file_system(path, kind):
    assert file_system(PurePosixPath(path), MOUNTS) == kind


def test_nothing_is_known_without_mounts():
    assert file_system(PurePosixPath("/var/lib/prod.db"), "") == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"])
def test_a_network_file_system_is_refused_with_the_key_to_set(kind):
    with pytest.raises(StoreError, match=kind) as refused:
        refuse_network(Path("/x/.distctl/prod.db"), f"server:/x /x {kind} rw 0 0\n")
    assert "`store:`" in refused.value.hint


def test_a_local_file_system_is_taken():
    refuse_network(Path("/x/prod.db"), "/dev/vda1 /x ext4 rw 0 0\n")
