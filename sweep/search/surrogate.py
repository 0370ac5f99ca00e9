"""A model of one objective from few trials: Gaussian processes averaged over many plausible kernels.

With 10 to 40 trials a kernel's dozen hyper-parameters cannot be fitted (measured: the likeliest kernel is
overconfident and misses the frontier), so none is: ``draws`` kernels come from a prior, and each is weighted by
the likelihood of the trials under it (Bayesian model averaging). Rasmussen and Williams, Gaussian Processes for Machine
Learning, 2006, chapters 2 and 5.

A kernel is the sum of: a smooth function of what all families share (MACs, parameters, receptive field, a hidden
layer, known speed), a line in the same, a smooth function of the fields for families that have the same ones, and
within a family a constant, a smooth function and a line of its own fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.search.features import Array, Features
from sweep.search.warp import Identity, Warp

NEGLIGIBLE = 1e-2
"""Kernels that count for less than this are left out of a prediction."""
JITTER = 1e-6
FEW, ENOUGH, DOUBT = 8, 20, 0.35
"""Up to ``FEW`` trials the kernels differ widely, and less exploration finds more: the model's standard deviations
are multiplied by ``DOUBT``, from ``ENOUGH`` trials on by the prior's own ``doubt`` (docs/decisions/069)."""


@dataclass(frozen=True)
class Prior:
    """Medians of the hyper-parameters, in units of the standardised target; each is drawn log-normally around."""

    shared_smooth: float = 0.7
    shared_line: float = 0.4
    own_smooth: float = 0.5
    own_line: float = 0.4
    own_constant: float = 0.25
    kin_smooth: float = 0.7
    shared_length: float = 3.0
    own_length: float = 2.0
    noise: float = 0.1
    trend: float = 1.0
    """Of the mean: how much the target rises (quality) or falls (speed) per standard deviation of ``size``."""
    spread: float = 0.6
    """Standard deviation of the logarithms."""
    noise_spread: float = 1.0
    """The same of the noise."""
    doubt: float = 1.0
    """What the standard deviations of a prediction are multiplied by when there are enough trials."""


@dataclass(frozen=True)
class Posterior:
    """The predicted values of n candidates: a mixture of Q Gaussians on a warped axis."""

    weights: Array
    """(Q,), summing to 1."""
    mean: Array
    """(Q, n), warped."""
    sd: Array
    """(Q, n), warped."""
    warp: Warp | Identity

    def expected_excess(self, level: float) -> Array:
        """(n,): the expected value of max(0, value - level)."""
        excess: Array = self.weights @ self.warp.expected_excess(self.mean, self.sd, level)
        return excess

    def probability_above(self, level: float) -> Array:
        """(n,): the probability of a value of at least ``level``."""
        probability: Array = self.weights @ self.warp.probability_above(self.mean, self.sd, level)
        return probability

    def of(self, candidates: NDArray[np.int64]) -> Posterior:
        """The posterior of some of the candidates."""
        return Posterior(self.weights, self.mean[:, candidates], self.sd[:, candidates], self.warp)

    def median(self) -> Array:
        """(n,): the value at the mixture's mean on the warped axis."""
        return self.warp.undo(self.weights @ self.mean)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """(n, candidates): independent draws of each candidate's value."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.mean.shape[1]))
        return self.warp.undo(self.mean[which] + self.sd[which] * noise)


class Surrogate:
    """Keeps the kernels of one set of candidates, so that another trial costs one more row per kernel."""

    def __init__(
        self,
        features: Features,
        *,
        draws: int = 32,
        seed: int = 0,
        prior: Prior | None = None,
        warped: bool = True,
        trend: float = 0.0,
    ) -> None:
        self.features = features
        self.prior = prior or Prior()
        self.warped = warped
        rng = np.random.default_rng(seed)
        g, v = features.shared.shape[1], features.own.shape[1]

        def draw(median: float, *shape: int) -> Array:
            return median * np.exp(self.prior.spread * rng.standard_normal((draws, *shape)))

        self._shared_smooth = draw(self.prior.shared_smooth) ** 2
        self._shared_line = draw(self.prior.shared_line, g) ** 2 / max(g, 1)
        self._own_smooth = draw(self.prior.own_smooth) ** 2
        self._own_line = draw(self.prior.own_line, v) ** 2
        self._own_constant = draw(self.prior.own_constant) ** 2
        self._kin_smooth = draw(self.prior.kin_smooth) ** 2
        self._kin_scale = draw(self.prior.own_length, v) ** -2
        self._shared_scale = draw(self.prior.shared_length, g) ** -2
        self._own_scale = draw(self.prior.own_length, v) ** -2
        self._noise = (self.prior.noise * np.exp(self.prior.noise_spread * rng.standard_normal(draws))) ** 2
        self._trend = trend * draw(self.prior.trend)[:, None] * features.size
        self._variance = (
            (self._shared_smooth + self._own_smooth + self._own_constant + self._kin_smooth)[:, None]
            + self._shared_line @ (features.shared**2).T
            + self._own_line @ (features.own**2).T
        )
        self._factor = _Factor(self._variance, self._noise)

    def posterior(self, observed: Sequence[int], values: Sequence[float] | Array) -> Posterior:
        """The posterior of all candidates after some were tried. Values: larger is better, finite."""
        y = np.asarray(values, dtype=float)
        warp: Warp | Identity = Warp.of(y) if self.warped else Identity()
        z = warp.do(y)
        middle, spread = float(z.mean()), float(z.std()) + 1e-6
        self._factor.follow(observed, self._row)
        fit = self._fit((z - middle) / spread, self._trend[:, list(observed)])
        weights = np.exp(fit.evidence - fit.evidence.max())
        kept = np.flatnonzero(weights > NEGLIGIBLE * weights.sum())
        mean, sd = self._factor.predict(kept, fit.whitened)
        centre, scale = middle + spread * fit.centre[kept, None], spread * fit.scale[kept, None]
        mean = centre + scale * (mean + self._trend[kept])
        doubt = float(np.interp(len(observed), (FEW, ENOUGH), (DOUBT, self.prior.doubt)))
        return Posterior(weights[kept] / weights[kept].sum(), mean, doubt * scale * sd, warp)

    def _fit(self, target: Array, trend: Array) -> _Fit:
        """Of each kernel, the likeliest ``centre`` and ``scale`` of target (t,) = centre + scale * (trend + function).

        The few first trials are no sample of the space (they lie far apart), so their own mean and spread are not those
        of the space. The centre has a flat prior (universal kriging: Rasmussen and Williams, section 2.7); the scale is
        as if one more trial had told that it is the spread of the trials.
        """
        t = len(target)
        columns = np.stack([np.broadcast_to(target, trend.shape), np.ones_like(trend), trend], axis=2)
        (values, ones, slope), density = self._factor.whiten(columns)
        length = (ones**2).sum(axis=1)
        of_values, of_slope = (values * ones).sum(axis=1) / length, (slope * ones).sum(axis=1) / length
        values_left, slope_left = values - of_values[:, None] * ones, slope - of_slope[:, None] * ones
        squares = (values_left**2).sum(axis=1) + 1.0
        cross = (values_left * slope_left).sum(axis=1)
        inverse = (cross + np.sqrt(cross**2 + 4 * t * squares)) / (2 * squares)
        misfit = inverse**2 * squares - 2 * inverse * cross + (slope_left**2).sum(axis=1)
        evidence = density - 0.5 * np.log(length) + t * np.log(inverse) - 0.5 * misfit
        scale = 1 / inverse
        whitened = inverse[:, None] * values_left - slope_left
        return _Fit(of_values - scale * of_slope, scale, whitened, evidence)

    def _row(self, i: int) -> Array:
        """(Q, n): covariance of candidate i with every candidate under every kernel."""
        shared, own = self.features.shared, self.features.own
        same: NDArray[np.bool_] = self.features.family == self.features.family[i]
        row = self._shared_smooth[:, None] * _matern(self._shared_scale @ ((shared - shared[i]) ** 2).T)
        row += self._shared_line @ (shared * shared[i]).T
        fields = self.features.fields
        row += self._kin_smooth[:, None] * _matern(self._kin_scale @ ((fields - fields[i]) ** 2).T)
        inside = self._own_smooth[:, None] * _matern(self._own_scale @ ((own - own[i]) ** 2).T)
        inside += self._own_constant[:, None] + self._own_line @ (own * own[i]).T
        covariance: Array = row + same * inside
        return covariance


@dataclass(frozen=True)
class _Fit:
    """What the trials say of each of Q kernels."""

    centre: Array
    """(Q,), in units of the standardised target, as the others."""
    scale: Array
    """(Q,)."""
    whitened: Array
    """(Q, t): the trials less their expected values, in units of ``scale``, of unit covariance."""
    evidence: Array
    """(Q,): log likelihood up to a constant."""


class _Factor:
    """Cholesky factors of all kernels, extended by one row per trial instead of being recomputed.

    ``_across`` (Q, t, n) is the whitened covariance of the trials with all candidates: its columns at the trials
    are the factor's own rows, so one array holds both.
    """

    def __init__(self, variance: Array, noise: Array) -> None:
        self._variance, self._noise = variance, noise
        self._order: list[int] = []
        draws, n = variance.shape
        self._across = np.empty((draws, 16, n))
        self._diagonal = np.empty((draws, 16))

    def follow(self, observed: Sequence[int], row: Callable[[int], Array]) -> None:
        """Factorise these trials, in this order; what the last call has in common with it is kept.

        Rows beyond ``observed`` stay when they follow it: a batch asks for the finished trials alone and with the
        running ones by turns.
        """
        same = 0
        for old, new in zip(self._order, observed, strict=False):
            if old != new:
                break
            same += 1
        if same < len(observed):
            del self._order[same:]
        for i in observed[same:]:
            self._add(i, row(i))

    def _add(self, i: int, row: Array) -> None:
        t = len(self._order)
        if t == self._across.shape[1]:
            self._across = np.concatenate([self._across, np.empty_like(self._across)], axis=1)
            self._diagonal = np.concatenate([self._diagonal, np.empty_like(self._diagonal)], axis=1)
        before = self._across[:, :t]
        left = before[:, :, i]
        pivot = np.sqrt(np.maximum(row[:, i] + self._noise + JITTER - (left**2).sum(axis=1), JITTER))
        self._across[:, t] = (row - (left[:, None] @ before)[:, 0]) / pivot[:, None]
        self._diagonal[:, t] = pivot
        self._order.append(i)

    def whiten(self, columns: Array) -> tuple[Array, Array]:
        """``columns`` (Q, t, k) of the first t trials as k arrays (Q, t) of unit covariance; the log density (Q,) of 0.

        The density is up to a constant.
        """
        t = columns.shape[1]
        lower = self._across[:, :t, self._order[:t]].transpose(0, 2, 1).copy()
        lower[:, np.arange(t), np.arange(t)] = self._diagonal[:, :t]
        whitened = np.asarray(np.linalg.solve(np.tril(lower), columns), dtype=np.float64)
        return np.moveaxis(whitened, 2, 0), -np.log(self._diagonal[:, :t]).sum(axis=1)

    def predict(self, kept: NDArray[np.int64], whitened: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (kept, n) of every candidate under some of the kernels."""
        across = self._across[kept, : whitened.shape[1]]
        mean: Array = np.asarray((whitened[kept][:, None] @ across)[:, 0], dtype=np.float64)
        sd: Array = np.sqrt(np.maximum(self._variance[kept] - (across**2).sum(axis=1), 1e-8))
        return mean, sd


def _matern(squared: Array) -> Array:
    """Matérn's covariance of smoothness 5/2 at squared distances in length scales."""
    r = np.sqrt(5 * squared)
    out: Array = (1 + r + r * r / 3) * np.exp(-r)
    return out
