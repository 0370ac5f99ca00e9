"""Predict speed on a device from a few dozen measured configs, so that the other thousand need no measuring.

A Gaussian process on the logarithm of seconds a frame, over what a network costs as arithmetic sees it: it is
exact enough with little data, and it says how unsure it is (docs/decisions/084).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search_space.config import Config
from search_space.describe import describe
from search_space.errors import SweepError

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

RIDGE = 0.3
LEAST = 8
"""Fewer measured configs than this make no model."""
HEADS = {"eSR-MAX": 1, "eSR-TM": 2, "eSR-TR": 3, "eSR-CNN": 2}
"""Maps a template of the families whose head works at full resolution."""
FEATURES = (
    "log macs", "log parameters", "log activations", "log head", "layers", "receptive field", "scale",
    "attention", "transposed", "fixed",
)  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """Seconds a frame of one config: the middle, and how sure."""

    config: str
    seconds: float
    deviation: float
    """Standard deviation of the natural logarithm: 0.1 is about 10 %."""

    @property
    def interval(self) -> tuple[float, float]:
        """90 % of outcomes lie here, if the model is right about itself."""
        factor = math.exp(1.645 * self.deviation)
        return self.seconds / factor, self.seconds * factor


@lru_cache(maxsize=65536)
def features(config: Config) -> tuple[float, ...]:
    """What speed depends on, as numbers of about the same size (``FEATURES``).

    Traffic counts as much as arithmetic: ``activations`` are the values all layers write, ``head`` those that
    the head over templates reads at full resolution.
    """
    about, convs = describe(config), config.convs() or ()
    per_pixel = sum(conv.c_out * (conv.transposed_stride or 1) ** 2 for conv in convs) or config.scale**2
    head = HEADS.get(config.family, 0) * config.values.get("C", 0)
    return (
        math.log(about.macs_full_hd),
        math.log(about.parameters),
        math.log(per_pixel / config.scale**2),
        math.log1p(head),
        float(len(convs)),
        float(about.receptive_field),
        float(config.scale),
        float(config.family in ("eSR-TM", "eSR-TR", "eSR-CNN")),
        float(any(conv.transposed_stride for conv in convs)),
        float(config.family == "Bicubic"),
    )


class CostModel:
    """Fitted to the seconds of some configs on one device, backend, precision and protocol."""

    def __init__(self, configs: Sequence[Config], seconds: Sequence[float], seed: int = 0) -> None:
        """Raises SweepError with fewer than ``LEAST`` configs."""
        if len(configs) < LEAST or len(configs) != len(seconds):
            raise SweepError(f"a cost model needs at least {LEAST} measured configs, there are {len(configs)}")
        x = _matrix(configs)
        self.middle, self.spread = x.mean(0), np.maximum(x.std(0), 1e-6)
        y = np.log(np.asarray(seconds, dtype=np.float64))
        self.offset = float(y.mean())
        x = self.scaled(configs)
        # A straight line in the logarithms carries most of it (time goes with work); the process bends it.
        self.line = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - self.offset))
        rest = y - self.offset - x @ self.line
        self.height = float(max(rest.std(), 1e-3))
        self.process = _fit(x, rest / self.height, seed)

    def scaled(self, configs: Sequence[Config]) -> NDArray[np.float64]:
        """Features (N, F) with mean 0 and deviation 1 over the measured configs."""
        out: NDArray[np.float64] = (_matrix(configs) - self.middle) / self.spread
        return out

    def predict(self, configs: Sequence[Config]) -> list[Prediction]:
        """Seconds a frame of each, with its uncertainty."""
        if not configs:
            return []
        x = self.scaled(configs)
        mean, std = self.process.predict(x, return_std=True)
        seconds = np.exp(self.offset + x @ self.line + mean * self.height)
        return [
            Prediction(config.id, float(s), float(d) * self.height)
            for config, s, d in zip(configs, seconds, std, strict=True)
        ]


@dataclass(frozen=True)
class Accuracy:
    """Predictions against measurements that the model had not seen."""

    n: int
    median_error: float
    """Of |predicted / measured - 1|."""
    p90_error: float
    spearman: float
    covered: float
    """Fraction inside the 90 % interval."""


def accuracy(predictions: Sequence[Prediction], seconds: Sequence[float]) -> Accuracy:
    """How good predictions were."""
    from scipy.stats import spearmanr

    got = np.array([p.seconds for p in predictions])
    true = np.asarray(seconds, dtype=np.float64)
    error = np.abs(got / true - 1)
    inside = [p.interval[0] <= t <= p.interval[1] for p, t in zip(predictions, true, strict=True)]
    rank = float(spearmanr(got, true).statistic) if len(true) > 2 else float("nan")
    return Accuracy(len(true), float(np.median(error)), float(np.quantile(error, 0.9)), rank, float(np.mean(inside)))


def cross_validated(configs: Sequence[Config], seconds: Sequence[float], folds: int = 5, seed: int = 0) -> Accuracy:
    """Each config predicted by a model that did not see it."""
    order = np.random.default_rng(seed).permutation(len(configs))
    predictions: list[Prediction] = []
    true: list[float] = []
    for fold in range(folds):
        out = set(order[fold::folds].tolist())
        kept = [i for i in range(len(configs)) if i not in out]
        model = CostModel([configs[i] for i in kept], [seconds[i] for i in kept], seed)
        left = sorted(out)
        predictions += model.predict([configs[i] for i in left])
        true += [seconds[i] for i in left]
    return accuracy(predictions, true)


def suggest(model: CostModel, candidates: Sequence[Config], n: int) -> list[Config]:
    """The ``n`` configs to measure next: those the model is least sure of, each making its neighbours surer.

    A pick's neighbours are judged with the pick as known, so that the picks spread over the space.
    """
    left, picked = list(candidates), list[Config]()
    covariance = model.process.predict(model.scaled(left), return_cov=True)[1] if left else np.empty((0, 0))
    while len(picked) < min(n, len(left)):
        variance = np.diag(covariance)
        best = int(np.argmax(variance))
        picked.append(left[best])
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column) / max(float(variance[best]), 1e-12)
        covariance[best, best] = -1.0
    return picked


def first_sample(configs: Sequence[Config], n: int, seed: int = 0) -> list[Config]:
    """``n`` configs to begin with, fairly over families and scales."""
    from search_space.spaces import select

    return list(select(configs, sample=min(n, len(configs)), seed=seed))


def _matrix(configs: Sequence[Config]) -> NDArray[np.float64]:
    return np.array([features(config) for config in configs], dtype=np.float64)


def _fit(x: NDArray[np.float64], y: NDArray[np.float64], seed: int) -> GaussianProcessRegressor:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    smooth = ConstantKernel(1.0, (0.05, 20.0)) * Matern(np.full(x.shape[1], 3.0), (0.3, 100.0), nu=2.5)
    model = GaussianProcessRegressor(smooth + WhiteKernel(0.05, (1e-5, 1.0)), random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return model
