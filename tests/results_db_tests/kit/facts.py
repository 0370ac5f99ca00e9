"""Small facts to put into a store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from results_db.records import Claim
from results_db.store import Store
from search_space.facts import Artifact, Done, Failed, Failure, Quality, Speed, TrialKey


def key(number: int = 1, recipe: str = "r1", code: str = "c1", seed: int = 0) -> TrialKey:
    return TrialKey(f"eSR-TM_s2_K5_C{number}", seed, recipe, "d1", code)


def keys(count: int, **others: str) -> list[TrialKey]:
    return [key(number, **others) for number in range(1, count + 1)]


def planned(store: Store, count: int = 4, name: str = "demo") -> tuple[int, list[int]]:
    """A sweep with ``count`` trials: its id and theirs."""
    sweep = store.create_sweep(name, "demo", "{}")
    store.plan(sweep, keys(count))
    return sweep, [row.id for row in store.trials(sweep)]


def quality(
    config: str, value: float = 33.0, dataset: str = "Set5", metric: str = "psnr", protocol: str = "y-v1"
) -> Quality:
    return Quality(config, dataset, metric, value, "dB", protocol, (("baby", value + 1), ("bird", value - 1)))


def weights(data: bytes = b"weights") -> Artifact:
    return Artifact("weights", data, hashlib.sha256(data).hexdigest())


def done(claim: Claim, value: float = 33.0, data: bytes = b"weights") -> Done:
    return Done(
        trial=claim.trial,
        attempt=claim.attempt,
        quality=(quality(claim.key.config, value), quality(claim.key.config, 0.9, metric="ssim")),
        artifacts=(weights(data),),
        seconds=1.5,
        steps=100,
        node="node-1",
        curve=((0, 0.5), (100, 0.1)),
    )


def failed(claim: Claim, failure: Failure = Failure.OOM) -> Failed:
    return Failed(claim.trial, claim.attempt, failure, f"{failure} happened", "Traceback: ...", "node-1", 0.5)


def speed(config: str, fps: float = 30.0, device: str = "board", **others: float) -> Speed:
    return Speed(config, device, "eager", "fp32", "fullhd14", fps, **others)  # type: ignore[arg-type]


def finish(store: Store, trials: Sequence[int], owner: str = "driver") -> None:
    store.record([done(one) for one in store.claim(trials, owner, 60)])
