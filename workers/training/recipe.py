"""How a config is trained: the recipe and its digest."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from search_space.config import Config
from search_space.errors import SweepError

LOSSES = ("mse", "l1", "charbonnier")
PRECISIONS = ("fp32", "tf32", "bf16")
FILTERS = ("taps", "cosine")
STARTS = ("passing", "fitted")
STEPS = ("adam", "orthogonal")
SCHEDULES = ("cosine", "linear")


@dataclass(frozen=True)
class Recipe:
    """Everything but the data and the seed that decides a training run. Equal recipes have equal digests."""

    name: str
    steps: int
    """Steps of a family that ``family_steps`` does not name."""
    batch: int
    """Patches per step."""
    patch: int
    """Side of a patch in low-resolution pixels."""
    border: int
    """Low-resolution pixels at the patch's edge left out of the loss, as evaluation leaves out an image's."""
    lr: float
    """Peak learning rate of a family that ``family_lr`` does not name."""
    family_lr: tuple[tuple[str, float], ...] = ()
    warmup: int = 50
    """Steps of linear warm-up before the decay to ``final_lr`` times the peak."""
    final_lr: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's (Kingma and Ba, 2015)."""
    eps: float = 1e-8
    filters: str = "taps"
    """What Adam steps on in the eSR families: filter taps, or cosine coefficients (``workers.training.optimiser``)."""
    gate: float = 1.0
    """Multiplier of the steps of filters that choose between templates (keys, queries), in one-layer nets."""
    deep_gate: float = 1.0
    """The same for eSR-CNN's keys."""
    start: str = "passing"
    """Initialisation of deep nets: passing their input through, or also fitted to the first patches
    (``workers.training.initialisation``)."""
    espcn: str = "adam"
    """The steps of ESPCN's layers: Adam's, or orthogonal ones on whitened inputs (``workers.training.whitening``)."""
    momentum: float = 0.99
    """Momentum of ESPCN's orthogonal steps; high, since small components of the gradient are mostly noise."""
    refresh: int = 500
    """Steps between two estimates of the whitening of layer inputs."""
    esr_cnn: str = "adam"
    """The steps of eSR-CNN's layers, as ``espcn``."""
    esr_cnn_momentum: float = 0.99
    """Momentum of eSR-CNN's orthogonal steps."""
    family_steps: tuple[tuple[str, int], ...] = ()
    """Families that need more steps than the others, or fewer."""
    schedule: str = "cosine"
    """The decay of the learning rate: half a cosine, or linear."""
    loss: str = "mse"
    precision: str = "fp32"
    diverged: float = 4.0
    """A run has diverged when its loss exceeds this many times the mean square of the target."""

    def __post_init__(self) -> None:
        for name in ("steps", "warmup", "border"):
            if getattr(self, name) < 0:
                raise SweepError(f"recipe {self.name!r}: {name} must not be negative ({getattr(self, name)})")
        if self.batch < 1 or self.patch <= 2 * self.border:
            raise SweepError(
                f"recipe {self.name!r}: patch {self.patch} leaves nothing inside a border of {self.border}"
            )
        for family, lr in (("default", self.lr), *self.family_lr):
            if not (math.isfinite(lr) and lr > 0):
                raise SweepError(f"recipe {self.name!r}: the learning rate of {family} must be positive ({lr})")
        if self.loss not in LOSSES:
            raise SweepError(f"recipe {self.name!r}: unknown loss {self.loss!r} (choose from {', '.join(LOSSES)})")
        if self.filters not in FILTERS:
            raise SweepError(f"recipe {self.name!r}: unknown filters {self.filters!r} ({' or '.join(FILTERS)})")
        if self.start not in STARTS:
            raise SweepError(f"recipe {self.name!r}: unknown start {self.start!r} ({' or '.join(STARTS)})")
        for family, steps in self.family_steps:
            if steps < 0:
                raise SweepError(f"recipe {self.name!r}: the steps of {family} must not be negative ({steps})")
        for family, kind in (("ESPCN", self.espcn), ("eSR-CNN", self.esr_cnn)):
            if kind not in STEPS:
                raise SweepError(f"recipe {self.name!r}: unknown steps for {family} {kind!r} ({' or '.join(STEPS)})")
        if self.schedule not in SCHEDULES:
            raise SweepError(f"recipe {self.name!r}: unknown schedule {self.schedule!r} ({' or '.join(SCHEDULES)})")
        for name in ("momentum", "esr_cnn_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise SweepError(f"recipe {self.name!r}: {name} must be at least 0 and below 1 ({getattr(self, name)})")
        if self.refresh < 1:
            raise SweepError(f"recipe {self.name!r}: refresh must be at least 1 ({self.refresh})")
        for name in ("gate", "deep_gate"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise SweepError(f"recipe {self.name!r}: {name} must be positive ({getattr(self, name)})")
        if self.precision not in PRECISIONS:
            raise SweepError(f"recipe {self.name!r}: unknown precision {self.precision!r}")

    def peak_lr(self, config: Config) -> float:
        """The learning rate a config's family trains with."""
        return dict(self.family_lr).get(config.family, self.lr)

    def steps_of(self, config: Config) -> int:
        """How many steps a config is trained for."""
        return dict(self.family_steps).get(config.family, self.steps)

    @property
    def longest(self) -> int:
        """The steps of the family that needs most."""
        return max(self.steps, *(count for _, count in self.family_steps), 0)

    def rate(self, step: int, config: Config) -> float:
        """The schedule: the factor of ``config``'s peak learning rate at ``step`` (0-based)."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps_of(config) - self.warmup))
        decay = 1 - progress if self.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
        return self.final_lr + (1 - self.final_lr) * decay

    @property
    def digest(self) -> str:
        """Twelve hex digits of all fields but the name; ``_LATER`` values are left out: earlier recipes keep theirs."""
        content = {k: v for k, v in asdict(self).items() if k != "name" and (k, v) not in _LATER}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """One line of JSON; ``from_json`` gives an equal recipe back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Raises SweepError naming a field that is unknown, missing or of the wrong kind."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SweepError(f"the recipe is not JSON: {error}") from None
        if not isinstance(content, dict):
            raise SweepError("a recipe is a JSON object")
        unknown = sorted(set(content) - {f.name for f in fields(cls)})
        if unknown:
            raise SweepError(f"the recipe has unknown fields: {', '.join(unknown)}")
        try:
            content["family_steps"] = tuple((str(k), int(v)) for k, v in content.get("family_steps", ()))
            content["family_lr"] = tuple((str(k), float(v)) for k, v in content.get("family_lr", ()))
            content["betas"] = tuple(float(b) for b in content.get("betas", (0.9, 0.999)))
            return cls(**content)
        except (TypeError, ValueError) as error:
            raise SweepError(f"the recipe cannot be read: {error}") from None

    @property
    def length(self) -> str:
        """The steps in words.

        >>> Recipe("a", 9, 1, 8, 1, 1e-3, family_steps=(("ESPCN", 12),)).length
        '9 steps (ESPCN 12)'
        """
        own = ", ".join(f"{family} {count}" for family, count in self.family_steps)
        return f"{self.steps} steps" + (f" ({own})" if own else "")

    def with_steps(self, steps: int) -> Recipe:
        """A copy with ``steps`` steps, named after them; ``family_steps`` change in proportion."""
        part = steps / self.steps if self.steps else 0.0
        own = tuple((family, round(part * count)) for family, count in self.family_steps)
        return replace(self, name=f"{self.name}-{steps}", steps=steps, family_steps=own)

    def with_changes(self, **changes: Any) -> Recipe:
        """A copy with other fields, and so another digest."""
        return replace(self, **changes)


_LATER = (("esr_cnn", "adam"), ("esr_cnn_momentum", 0.99), ("family_steps", ()), ("schedule", "cosine"))
"""Fields that recipes of earlier versions lack, and the values that they implied."""
_TUNED: dict[str, Any] = {
    "lr": 3e-3,
    "family_lr": (("ESPCN", 1e-3), ("eSR-CNN", 1e-3)),
    "loss": "charbonnier",
    "betas": (0.9, 0.99),
    "filters": "cosine",
    "gate": 10.0,
    "deep_gate": 3.0,
    "start": "fitted",
    "espcn": "orthogonal",
}
"""From docs/decisions/031 to 034; the borders from 037."""
_TUNED_SHORT: dict[str, Any] = {
    **_TUNED,
    "lr": 6e-3,
    "schedule": "linear",
    "momentum": 0.97,
    "esr_cnn": "orthogonal",
    "esr_cnn_momentum": 0.95,
}
"""From docs/decisions/068, for a twelfth of the steps."""
_RECIPES = {
    "smoke": Recipe("smoke", steps=40, batch=8, patch=16, border=1, warmup=5, **_TUNED),
    "demo": Recipe("demo", steps=4000, batch=8, patch=16, border=1, warmup=50, **_TUNED),
    "evening": Recipe(
        "evening",
        steps=8000,
        batch=4,
        patch=32,
        border=1,
        warmup=100,
        family_steps=(("ESPCN", 12_000), ("eSR-CNN", 12_000)),
        **{**_TUNED_SHORT, "family_lr": (*_TUNED["family_lr"], ("FSRCNN", 3e-3))},
    ),
    "paper": Recipe("paper", steps=100_000, batch=4, patch=32, border=1, warmup=100, **_TUNED),
}


def recipe_for(name: str) -> Recipe:
    """A shipped recipe by name, or one read from a JSON or YAML file. Raises SweepError naming the choices."""
    from workers.training import recipe_file

    if name in _RECIPES:
        return _RECIPES[name]
    if Path(name).suffix in recipe_file.SUFFIXES:
        return recipe_file.read(Path(name), recipe_for)
    raise SweepError(f"unknown recipe {name!r} (choose from {', '.join(_RECIPES)}, or give a .yaml or .json file)")


def shipped() -> tuple[str, ...]:
    """Names of the recipes there are, the shortest training first."""
    return tuple(_RECIPES)
