"""Which filesystem a file is on: SQLite's locks and shared memory do not work across a network."""

from __future__ import annotations

import os
import re
from pathlib import Path

from search_space.errors import StoreError

ALLOW = "EDGE_SWEEP_ALLOW_NETWORK_FS"
NETWORK = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "davfs"),
        *("lustre", "gpfs", "beegfs", "glusterfs", "ceph", "orangefs", "pvfs2", "ocfs2", "gfs2", "wekafs", "panfs"),
        # Folders of the host inside a virtual machine.
        *("9p", "vboxsf"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs2", "fuse.rclone", "fuse.s3fs"),
        *("fuse.gcsfuse", "fuse.curlftpfs", "fuse.juicefs", "fuse.blobfuse2", "fuse.goofys", "fuse.mount-s3"),
    )
)
"""Types as ``/proc/mounts`` spells them."""


def filesystem(path: Path, mounts: str) -> str | None:
    """The type of the filesystem that holds the absolute ``path``, by the text of ``/proc/mounts``.

    >>> filesystem(Path("/home/me/x.db"), "/dev/sda1 / ext4 rw 0 0\\nserver:/home /home nfs4 rw 0 0\\n")
    'nfs4'
    """
    best, found = -1, None
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), parts[1]))
        # A later line covers an earlier one of the same place.
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), parts[2]
    return found


def refuse_network(path: Path, readonly: bool, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise StoreError when a SQLite file at ``path`` would be on a network filesystem.

    ``EDGE_SWEEP_ALLOW_NETWORK_FS=1`` overrides. Reading is let through when no write-ahead log is beside
    the file: nobody is writing then.
    """
    if os.environ.get(ALLOW) == "1" or not mounts.exists():
        return
    kind = filesystem(path.resolve(), mounts.read_text(errors="replace"))
    if kind not in NETWORK or (readonly and not path.with_name(path.name + "-wal").exists()):
        return
    raise StoreError(
        f"{path} is on a network filesystem ({kind}), where SQLite's locks do not hold and the file would be damaged: "
        f"name a file on a local disk, or use --db postgresql+psycopg://... ({ALLOW}=1 overrides)"
    )
