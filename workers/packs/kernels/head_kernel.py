"""The last layer of many nets with what follows it: sub-pixels or templates, the loss, and its gradient."""

# mypy: ignore-errors
# Triton compiles these functions; they are not Python for a type checker.

import triton
import triton.language as tl

from workers.packs.kernels.arithmetic import loss_and_slope, product
from workers.packs.kernels.conv_kernels import _activated, _pixel_offsets, _tap_offsets, _weight_offsets


@triton.jit(do_not_specialize=["batch", "side", "border", "scale"])
def conv_head(
    arena, weights, high, clock, losses, table, batch, side, border, scale, share,
    HALO: tl.constexpr, KS: tl.constexpr, HEAD: tl.constexpr, SCALE: tl.constexpr, CP: tl.constexpr, N: tl.constexpr,
    P: tl.constexpr, KC: tl.constexpr, LOSS: tl.constexpr, PREC: tl.constexpr,
):  # fmt: skip
    """Writes the loss's gradient at the last layer's sums, and a sum of the loss a program. Grid (rows, pixel tiles).

    HEAD 0: sigmoid of each sub-pixel (ESPCN), 1: the sub-pixels of a transposed convolution of stride SCALE (FSRCNN),
    2: value times softmax(key * key) over templates (eSR-CNN). ``high`` (steps, batch, 1, s side, s side), read at
    step ``clock``. Row: x, gradient, weight, bias (unless HEAD 2), c_in, templates, first sub-pixel, loss, slope of x
    (or -1), 1 where one bias serves all.
    """
    J: tl.constexpr = N // CP
    row = table + tl.program_id(0) * 12
    x_at, g_at, w_at, b_at = tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 3)
    cin, templates, j0 = tl.load(row + 4).to(tl.int32), tl.load(row + 5).to(tl.int32), tl.load(row + 6).to(tl.int32)
    loss_at, slope_at, tied = tl.load(row + 7), tl.load(row + 8), tl.load(row + 9)
    stride = batch * (side + 2 * HALO) * (side + 2 * HALO)
    px = tl.program_id(1) * P + tl.arange(0, P)
    base = _pixel_offsets(px, side, HALO)
    col = tl.arange(0, N)
    c = col % CP
    sub = j0 + col // CP
    real = (c < templates) & (sub < scale * scale)
    channel = c * (scale * scale) + sub
    n = cin * (KS * KS)
    value = tl.zeros([P, N], tl.float32)
    if HEAD == 2:
        key = tl.zeros([P, N], tl.float32)
    everywhere = px < batch * side * side
    for k0 in range(0, n, KC):
        k = k0 + tl.arange(0, KC)
        off = _tap_offsets(k, stride, side, HALO, KS)
        x = tl.load(arena + x_at + base[:, None] + off[None, :], mask=everywhere[:, None] & (k < n)[None, :], other=0.0)
        x = _activated(x, weights, slope_at)
        known = (k < n)[:, None] & real[None, :]
        at = _weight_offsets(k[:, None], channel[None, :], n, KS, SCALE)
        value += product(x, tl.load(weights + w_at + at, mask=known & (at >= 0), other=0.0), PREC)
        if HEAD == 2:
            key += product(
                x, tl.load(weights + w_at + at + templates * (scale * scale) * n, mask=known, other=0.0), PREC
            )
    if HEAD < 2:
        value += tl.load(weights + b_at + tl.where(tied > 0, 0, channel), mask=real, other=0.0)[None, :]
    if HEAD == 0:
        value = 1 / (1 + tl.exp(-value))

    spot = px % (side * side)
    y, x_ = spot // side, spot % side
    counted = everywhere & (y >= border) & (y < side - border) & (x_ >= border) & (x_ < side - border)
    head_sub = j0 + tl.arange(0, J)
    here = counted[:, None] & (head_sub < scale * scale)[None, :]
    step = tl.load(clock).to(tl.int64)
    image = step * batch + (px // (side * side)).to(tl.int64)
    truth_row = (image * (scale * side) + scale * y)[:, None] + (head_sub // scale)[None, :]
    truth_at = truth_row * (scale * side) + (scale * x_)[:, None] + (head_sub % scale)[None, :]
    want = tl.load(high + truth_at, mask=here, other=0.0)

    if HEAD == 2:
        v = tl.reshape(value, [P, J, CP])
        key3 = tl.reshape(key, [P, J, CP])
        logit = key3 * key3 + tl.reshape(tl.where(c < templates, 0.0, float("-inf")), [1, J, CP])
        e = tl.exp(logit - tl.reshape(tl.max(logit, 2), [P, J, 1]))
        pick = e / tl.reshape(tl.sum(e, 2), [P, J, 1])
        out = tl.sum(v * pick, 2)
    else:
        out = value
    each, slope = loss_and_slope(out - want, LOSS)
    tl.store(losses + loss_at + tl.program_id(1), tl.sum(tl.sum(tl.where(here, each, 0.0), 1), 0))
    slope = tl.where(here, slope * share, 0.0)
    to = arena + g_at + base[:, None] + channel[None, :] * stride
    keep = everywhere[:, None] & real[None, :]
    if HEAD == 2:
        gv = tl.reshape(slope, [P, J, 1]) * pick
        gk = gv * (v - tl.reshape(out, [P, J, 1])) * 2 * key3
        tl.store(to, tl.reshape(gv, [P, N]), mask=keep)
        tl.store(to + templates * (scale * scale) * stride, tl.reshape(gk, [P, N]), mask=keep)
    elif HEAD == 0:
        tl.store(to, slope * value * (1 - value), mask=keep)
    else:
        tl.store(to, slope, mask=keep)
