from __future__ import annotations

from pathlib import Path

import pytest

from results_db.connection.filesystems import ALLOW, filesystem, refuse_network
from search_space.errors import StoreError

MOUNTS = r"""overlay / overlay rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local ext4 rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
me@host: /mnt/far fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/x.db", "overlay"),
        ("/home/me/x.db", "nfs4"),
        ("/homes/x.db", "overlay"),
        ("/home/local/x.db", "ext4"),
        ("/mnt/my share/x.db", "cifs"),
        ("/mnt/far/x.db", "fuse.sshfs"),
    ],
)
def test_the_deepest_mount_holds_the_file(path: str, kind: str) -> None:
    assert filesystem(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["9p", "vboxsf", "wekafs", "panfs"])
def test_folders_of_a_host_and_parallel_filesystems_are_refused(kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"host {tmp_path.resolve()} {kind} rw 0 0\n")
    with pytest.raises(StoreError, match=kind):
        refuse_network(tmp_path / "sweep.db", False, mounts)


def test_a_network_filesystem_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path.resolve()} lustre rw 0 0\n")
    path = tmp_path / "sweep.db"
    with pytest.raises(StoreError, match=r"network filesystem \(lustre\).*postgresql"):
        refuse_network(path, False, mounts)
    refuse_network(path, True, mounts)
    path.with_name("sweep.db-wal").touch()
    with pytest.raises(StoreError, match="network filesystem"):
        refuse_network(path, True, mounts)
    monkeypatch.setenv(ALLOW, "1")
    refuse_network(path, False, mounts)


def test_a_local_disk_is_let_through(tmp_path: Path) -> None:
    refuse_network(tmp_path / "sweep.db", False)
