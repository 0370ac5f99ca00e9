"""The facts of a zoo as a JSON document, and back: all that a store keeps of finished trials but the weights."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from results_db.records import cuda_state
from search_space.errors import BadData
from search_space.facts import Artifact, Done, Provenance, Quality, Speed, TrialKey

FORMAT = 1
"""Of the document; a newer one is refused."""
MANIFEST, FACTS, WEIGHTS = "zoo.json", "facts.json.gz", "weights"
"""Names in a zoo: its list of files, this document, the folder of the networks."""


@dataclass(frozen=True)
class SweepFacts:
    """The sweep that a zoo was made of."""

    name: str
    space: str
    recipe_json: str
    git: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Zoo:
    """A sweep with its finished trials and the speeds of their configs."""

    sweep: SweepFacts
    trials: Sequence[tuple[TrialKey, Done]]
    speeds: Sequence[Speed]
    planned: int
    """Trials of the sweep, finished or not."""


def label(key: TrialKey) -> str:
    """The name of a trial's network: the config's id, and the seed where it is not 0.

    >>> label(TrialKey("ESPCN_s2_D4_S12", 3, "r", "d", "c"))
    'ESPCN_s2_D4_S12@3'
    """
    return key.config + (f"@{key.seed}" if key.seed else "")


def weights_file(config: str) -> str:
    """The file of a zoo with the weights of a config.

    >>> weights_file("ESPCN_s2_D4_S12")
    'weights/ESPCN_s2.safetensors'
    """
    family, scale, *_ = config.split("_")
    return f"{WEIGHTS}/{family}_{scale}.safetensors"


def to_bytes(zoo: Zoo) -> bytes:
    """The facts as gzipped JSON; the same zoo gives the same bytes."""
    document = {
        "format": FORMAT,
        "sweep": asdict(zoo.sweep),
        "planned": zoo.planned,
        "trials": [_trial(key, done) for key, done in zoo.trials],
        "speeds": [asdict(speed) for speed in zoo.speeds],
    }
    return gzip.compress(json.dumps(document).encode(), mtime=0)


def from_bytes(data: bytes, networks: Mapping[str, bytes], most_bytes: int) -> Zoo:
    """The inverse of ``to_bytes``; ``networks`` has the weights by label.

    Raises BadData for anything else, for a newer format, for weights that are not there, and for facts that unpack to
    more than ``most_bytes``.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(most_bytes + 1)
        if len(text) > most_bytes:
            raise BadData(f"the facts unpack to more than {most_bytes >> 20} MiB")
        document = json.loads(text)
        if document["format"] > FORMAT:
            raise BadData(f"format {document['format']} is newer than this version reads ({FORMAT}): upgrade")
        trials = [_read_trial(one, networks) for one in document["trials"]]
        speeds = [Speed(**_of(Speed, one)) for one in document["speeds"]]
        return Zoo(SweepFacts(**_of(SweepFacts, document["sweep"])), trials, speeds, int(document["planned"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadData(f"the facts are damaged ({type(error).__name__}: {error})") from None


def _trial(key: TrialKey, done: Done) -> dict[str, Any]:
    known = {f.name: getattr(done, f.name) for f in fields(Done)}
    kept = {name: value for name, value in known.items() if name not in ("trial", "attempt", "artifacts")}
    return {
        "key": asdict(key),
        **kept,
        "quality": [asdict(one) for one in done.quality],
        "provenance": asdict(done.provenance) if done.provenance else None,
        "weights": any(artifact.kind == "weights" for artifact in done.artifacts),
    }


def _read_trial(one: Mapping[str, Any], networks: Mapping[str, bytes]) -> tuple[TrialKey, Done]:
    key = TrialKey(**_of(TrialKey, one["key"]))
    artifacts: tuple[Artifact, ...] = ()
    if one["weights"]:
        if (data := networks.get(label(key))) is None:
            raise BadData(f"{weights_file(key.config)} lacks {label(key)}")
        artifacts = (Artifact("weights", data, hashlib.sha256(data).hexdigest()),)
    return key, Done(
        trial=0,
        attempt=0,
        quality=tuple(_read_quality(value) for value in one["quality"]),
        artifacts=artifacts,
        seconds=float(one["seconds"]),
        steps=int(one["steps"]),
        node=str(one["node"]),
        curve=tuple((int(step), float(loss)) for step, loss in one["curve"]),
        flags=tuple(map(str, one["flags"])),
        provenance=_read_provenance(one["provenance"]) if one["provenance"] else None,
    )


def _read_provenance(value: Mapping[str, Any]) -> Provenance:
    known = _of(Provenance, value)
    return Provenance(**{**known, "engines": tuple(known["engines"]), "cuda": cuda_state(known.get("cuda"))})


def _read_quality(value: Mapping[str, Any]) -> Quality:
    known = _of(Quality, value)
    images = tuple((str(name), float(number)) for name, number in known.pop("per_image"))
    return Quality(**known, per_image=images)


def _of(kind: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``kind``; those that a later version added are left out."""
    names = {field.name for field in fields(kind)}
    return {name: part for name, part in value.items() if name in names}
