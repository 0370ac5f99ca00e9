"""Predict speed on a device from a few dozen measured configs, so that the other thousand need not be measured.

A Gaussian process on the logarithm of seconds per frame, over features of a network's arithmetic cost: it is accurate
with little data and gives the uncertainty of each prediction (docs/decisions/084).
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
from search_space.costs.describe import describe
from search_space.errors import SweepError

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

RIDGE = 0.3
MIN_CONFIGS = 8
"""The least number of measured configs that a model is fitted to."""
HEADS = {"eSR-MAX": 1, "eSR-TM": 2, "eSR-TR": 3, "eSR-CNN": 2}
"""Maps per template of the families whose head works at full resolution."""


@dataclass(frozen=True)
class Prediction:
    """Predicted seconds per frame of one config: the median and its uncertainty."""

    config: str
    seconds: float
    deviation: float
    """Standard deviation of the natural logarithm: 0.1 is about 10 %."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 90 % prediction interval, in seconds per frame."""
        factor = math.exp(1.645 * self.deviation)
        return self.seconds / factor, self.seconds * factor


@lru_cache(maxsize=65536)
def features(config: Config) -> tuple[float, ...]:
    """What speed depends on, as numbers of about the same size: logarithms of multiply-adds, parameters, activations
    (values that all layers write) and head (values that the head over templates reads at full resolution), layers,
    receptive field, scale, and whether there are attention, a transposed convolution, or fixed filters only.
    """
    costs, convs = describe(config), config.convs() or ()
    per_pixel = sum(conv.c_out * (conv.transposed_stride or 1) ** 2 for conv in convs) or config.scale**2
    head = HEADS.get(config.family, 0) * config.values.get("C", 0)
    return (
        math.log(costs.macs_full_hd),
        math.log(costs.parameters),
        math.log(per_pixel / config.scale**2),
        math.log1p(head),
        float(len(convs)),
        float(costs.receptive_field),
        float(config.scale),
        float(config.family in ("eSR-TM", "eSR-TR", "eSR-CNN")),
        float(any(conv.transposed_stride for conv in convs)),
        float(config.family == "Bicubic"),
    )


class CostModel:
    """Fitted to the seconds per frame of configs on one device, backend, precision and protocol."""

    def __init__(self, configs: Sequence[Config], seconds: Sequence[float], seed: int = 0) -> None:
        """Raises SweepError with fewer than ``MIN_CONFIGS`` configs."""
        if len(configs) < MIN_CONFIGS or len(configs) != len(seconds):
            raise SweepError(f"a cost model needs at least {MIN_CONFIGS} measured configs, there are {len(configs)}")
        x = _matrix(configs)
        self.middle, self.spread = x.mean(0), np.maximum(x.std(0), 1e-6)
        y = np.log(np.asarray(seconds, dtype=np.float64))
        self.offset = float(y.mean())
        x = self.scaled(configs)
        # A linear fit of the logarithms explains most of the time; the process models what is left.
        self.line = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - self.offset))
        rest = y - self.offset - x @ self.line
        self.height = float(max(rest.std(), 1e-3))
        self.process = _fit(x, rest / self.height, seed)

    def scaled(self, configs: Sequence[Config]) -> NDArray[np.float64]:
        """Features (N, F) with mean 0 and deviation 1 over the measured configs."""
        out: NDArray[np.float64] = (_matrix(configs) - self.middle) / self.spread
        return out

    def predict(self, configs: Sequence[Config]) -> list[Prediction]:
        """Seconds per frame of each, with the uncertainty."""
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
    """Predictions compared with measurements that the model was not fitted to."""

    n: int
    median_error: float
    """Of |predicted / measured - 1|."""
    p90_error: float
    spearman: float
    covered: float
    """Fraction inside the 90 % interval."""


def accuracy(predictions: Sequence[Prediction], seconds: Sequence[float]) -> Accuracy:
    """Compare predictions with measured ``seconds`` of the same configs."""
    from scipy.stats import spearmanr

    predicted = np.array([p.seconds for p in predictions])
    measured = np.asarray(seconds, dtype=np.float64)
    error = np.abs(predicted / measured - 1)
    inside = [p.interval[0] <= t <= p.interval[1] for p, t in zip(predictions, measured, strict=True)]
    rank = float(spearmanr(predicted, measured).statistic) if len(measured) > 2 else float("nan")
    return Accuracy(
        len(measured), float(np.median(error)), float(np.quantile(error, 0.9)), rank, float(np.mean(inside))
    )


def cross_validated(configs: Sequence[Config], seconds: Sequence[float], folds: int = 5, seed: int = 0) -> Accuracy:
    """Accuracy when each config is predicted by a model that was fitted without it."""
    order = np.random.default_rng(seed).permutation(len(configs))
    predictions: list[Prediction] = []
    measured: list[float] = []
    for fold in range(folds):
        held_out = sorted(order[fold::folds].tolist())
        kept = [i for i in range(len(configs)) if i not in held_out]
        model = CostModel([configs[i] for i in kept], [seconds[i] for i in kept], seed)
        predictions += model.predict([configs[i] for i in held_out])
        measured += [seconds[i] for i in held_out]
    return accuracy(predictions, measured)


def suggest(model: CostModel, candidates: Sequence[Config], n: int) -> list[Config]:
    """The ``n`` configs to measure next: each time the one with the largest variance of its prediction.

    The variances are updated as if that config were measured, so that the picks spread over the space.
    """
    picked = list[Config]()
    covariance = model.process.predict(model.scaled(candidates), return_cov=True)[1] if candidates else np.empty((0, 0))
    while len(picked) < min(n, len(candidates)):
        variance = np.diag(covariance)
        best = int(np.argmax(variance))
        picked.append(candidates[best])
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column) / max(float(variance[best]), 1e-12)
        covariance[best, best] = -1.0
    return picked


def first_sample(configs: Sequence[Config], n: int, seed: int = 0) -> list[Config]:
    """``n`` configs to measure first, fairly over families and scales."""
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
