"""A kit as the board reads it: the manifest, and models checked against it. Python's own library only."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from workers.kit.document import Refused

KIT_FORMAT = "edge-sweep-kit/1"
NAME = re.compile(r"models/[A-Za-z0-9][A-Za-z0-9+_.-]{0,120}\.onnx")


class Kit:
    """The archive: its manifest, and models checked against it."""

    def __init__(self, path: Path) -> None:
        try:
            self.archive = zipfile.ZipFile(path)
            text = self.archive.read("manifest.json")
            self.manifest: dict[str, Any] = json.loads(text)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            raise Refused(f"{path} is not a kit, or it is damaged") from None
        self.digest = hashlib.sha256(text).hexdigest()
        if self.manifest.get("format") != KIT_FORMAT:
            raise Refused(f"{path} is not a kit this program can run")

    def model(self, entry: dict[str, Any]) -> bytes:
        """The bytes of a model; refused when its name or its hash is not as the manifest should say."""
        name = str(entry["file"])
        if not NAME.fullmatch(name):
            raise Refused(f"the manifest names a file that is no model: {name[:80]!r}")
        try:
            data = self.archive.read(name)
        except (KeyError, zipfile.BadZipFile):
            raise Refused(f"{name} is missing in the kit, or it is damaged") from None
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise Refused(f"{name} is damaged: its SHA-256 is not the manifest's")
        return data
