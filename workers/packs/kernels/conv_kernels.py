"""One layer of many unlike nets in one launch: forward, gradient of the input, gradient of the weights.

Activations of all nets lie in one arena of planes (channel, batch, side + 2 HALO, side + 2 HALO) with zeros in the
halo, so that no tap needs a mask. A tanh layer leaves its output there, a PReLU layer the sum before it: its slope may
turn negative, and then the output's sign no longer tells which branch was taken; readers apply the PReLU themselves.

What a program works on is a row of a table (``workers.packs.kernels.tables``); weights lie flat as modules number them.
"""

# mypy: ignore-errors
# Triton compiles these functions; they are not Python for a type checker.

import triton
import triton.language as tl

from workers.packs.kernels.arithmetic import product, tangent


@triton.jit
def _pixel_offsets(px, side, HALO: tl.constexpr):
    """Where pixels (batch, row, column, counted through) lie in a channel of the arena."""
    width = side + 2 * HALO
    spot = px % (side * side)
    return (px // (side * side)) * (width * width) + (spot // side + HALO) * width + spot % side + HALO


@triton.jit
def _tap_offsets(k, stride, side, HALO: tl.constexpr, KS: tl.constexpr):
    """What input number k (channel, row and column of the filter) adds to a pixel's offset."""
    tap = k % (KS * KS)
    return (k // (KS * KS)) * stride + (tap // KS - KS // 2) * (side + 2 * HALO) + tap % KS - KS // 2


@triton.jit
def _enlarging_tap(tap, sub, KS: tl.constexpr, SCALE: tl.constexpr):
    """Weight (0..80) of a 9 x 9 transposed convolution that input tap ``tap`` has in sub-pixel ``sub``; -1: none.

    Output row SCALE y + a sums weight row a + padding - SCALE d of input row y + d.
    """
    PAD: tl.constexpr = (9 - SCALE + 1) // 2
    u = sub // SCALE + PAD - SCALE * (tap // KS - KS // 2)
    v = sub % SCALE + PAD - SCALE * (tap % KS - KS // 2)
    known = (u >= 0) & (u < 9) & (v >= 0) & (v < 9)
    return tl.where(known, u * 9 + v, -1)


@triton.jit
def _weight_offsets(k, co, n, KS: tl.constexpr, SCALE: tl.constexpr):
    """Offsets of the weights from inputs k (any shape) to outputs co; -1 where there is none."""
    if SCALE > 0:
        at = _enlarging_tap(k % (KS * KS), co, KS, SCALE)
        return tl.where(at >= 0, (k // (KS * KS)) * 81 + at, -1)
    return k + co * n


@triton.jit
def _slope(weights, slope_at):
    return tl.where(slope_at >= 0, tl.load(weights + tl.maximum(slope_at, 0)), 1.0)


@triton.jit
def _activated(z, weights, slope_at):
    """PReLU of what a layer left in the arena; a tanh layer has no slope (-1) and left its output."""
    return tl.where(z > 0, z, z * _slope(weights, slope_at))


@triton.jit(do_not_specialize=["batch", "side"])
def conv_forward(
    arena, weights, table, batch, side,
    HALO: tl.constexpr, KS: tl.constexpr, COUT: tl.constexpr, P: tl.constexpr, KC: tl.constexpr, PREC: tl.constexpr,
):  # fmt: skip
    """y = act(W x + b) of COUT output channels and P pixels. Grid (table rows, pixel tiles).

    Row: x, y, weight, bias, inputs c_in, outputs c_out, first output, 1 for tanh (else the sum), slope of x (or -1).
    """
    row = table + tl.program_id(0) * 12
    x_at, y_at, w_at, b_at = tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 3)
    cin, cout, first = tl.load(row + 4).to(tl.int32), tl.load(row + 5).to(tl.int32), tl.load(row + 6).to(tl.int32)
    is_tanh, slope_at = tl.load(row + 7), tl.load(row + 8)
    stride = batch * (side + 2 * HALO) * (side + 2 * HALO)
    px = tl.program_id(1) * P + tl.arange(0, P)
    inside = px < batch * side * side
    base = _pixel_offsets(px, side, HALO)
    co = first + tl.arange(0, COUT)
    n = cin * (KS * KS)
    acc = tl.zeros([P, COUT], tl.float32)
    for k0 in range(0, n, KC):
        k = k0 + tl.arange(0, KC)
        off = _tap_offsets(k, stride, side, HALO, KS)
        x = tl.load(arena + x_at + base[:, None] + off[None, :], mask=inside[:, None] & (k < n)[None, :], other=0.0)
        x = _activated(x, weights, slope_at)
        at = k[:, None] + co[None, :] * n
        w = tl.load(weights + w_at + at, mask=(k < n)[:, None] & (co < cout)[None, :], other=0.0)
        acc += product(x, w, PREC)
    acc += tl.load(weights + b_at + co, mask=co < cout, other=0.0)[None, :]
    if is_tanh > 0:
        acc = tangent(acc)
    tl.store(arena + y_at + base[:, None] + co[None, :] * stride, acc, mask=inside[:, None] & (co < cout)[None, :])


@triton.jit(do_not_specialize=["batch", "side"])
def conv_backward(
    arena, weights, partials, table, batch, side,
    HALO: tl.constexpr, KS: tl.constexpr, COUT: tl.constexpr, P: tl.constexpr, KC: tl.constexpr, PREC: tl.constexpr,
    SCALE: tl.constexpr,
):  # fmt: skip
    """Gradient at the sum of the layer before, of COUT of its channels and P pixels. Grid (table rows, pixel tiles).

    SCALE 0: through a convolution; else through the transposed one of that stride, whose gradients are sub-pixels.
    Row: gradient g, result, weight, -, channels c_g, channels c_x, first of them, 1 for tanh (else PReLU), its slope
    (or -1), what the layer before left in the arena, where its slope's gradient goes (a partial sum a tile; or -1).
    """
    row = table + tl.program_id(0) * 12
    g_at, y_at, w_at = tl.load(row), tl.load(row + 1), tl.load(row + 2)
    cg, cx, first = tl.load(row + 4).to(tl.int32), tl.load(row + 5).to(tl.int32), tl.load(row + 6).to(tl.int32)
    is_tanh, slope_at, mate, sum_at = tl.load(row + 7), tl.load(row + 8), tl.load(row + 9), tl.load(row + 10)
    AREA: tl.constexpr = KS * KS
    stride = batch * (side + 2 * HALO) * (side + 2 * HALO)
    px = tl.program_id(1) * P + tl.arange(0, P)
    inside = px < batch * side * side
    base = _pixel_offsets(px, side, HALO)
    cx_at = first + tl.arange(0, COUT)
    n = cg * AREA
    acc = tl.zeros([P, COUT], tl.float32)
    for k0 in range(0, n, KC):
        k = k0 + tl.arange(0, KC)
        off = _tap_offsets(k, stride, side, HALO, KS)
        g = tl.load(arena + g_at + base[:, None] + off[None, :], mask=inside[:, None] & (k < n)[None, :], other=0.0)
        # The gradient comes from the pixel that saw this one through the opposite tap.
        tap = AREA - 1 - k % AREA
        at = _weight_offsets(cx_at[None, :] * AREA + tap[:, None], (k // AREA)[:, None], cx * AREA, KS, SCALE)
        real = (k < n)[:, None] & (cx_at < cx)[None, :] & (at >= 0)
        acc += product(g, tl.load(weights + w_at + at, mask=real, other=0.0), PREC)
    to = base[:, None] + cx_at[None, :] * stride
    keep = inside[:, None] & (cx_at < cx)[None, :]
    y = tl.load(arena + mate + to, mask=keep, other=0.0)
    if is_tanh > 0:
        acc *= 1 - y * y
    else:
        shut = keep & (y <= 0)
        tl.store(partials + sum_at + tl.program_id(1), tl.sum(tl.sum(tl.where(shut, acc * y, 0.0), 1), 0))
        acc = tl.where(y > 0, acc, acc * _slope(weights, slope_at))
    tl.store(arena + y_at + to, acc, mask=keep)


@triton.jit(do_not_specialize=["batch", "side", "parameters", "share"])
def conv_weight_gradient(
    arena, weights, gradients, table, batch, side, parameters, share,
    HALO: tl.constexpr, KS: tl.constexpr, COUT: tl.constexpr, P: tl.constexpr, KC: tl.constexpr, PREC: tl.constexpr,
    SCALE: tl.constexpr,
):  # fmt: skip
    """KC rows of dW and, with the first of them, db, over a part of the pixels. Grid (table rows, parts).

    ``gradients`` (parts, parameters): a sum a part, added up by who reads them, so that no atomic is needed.
    ``share``: pixels a part. Row: x, g, weight, bias (or -1), c_in, c_out, first output, first input k, slope of x
    (or -1), 1 where one bias serves all outputs.
    """
    row = table + tl.program_id(0) * 12
    x_at, g_at, w_at, b_at = tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 3)
    cin, cout, first = tl.load(row + 4).to(tl.int32), tl.load(row + 5).to(tl.int32), tl.load(row + 6).to(tl.int32)
    k0, slope_at, tied = tl.load(row + 7).to(tl.int32), tl.load(row + 8), tl.load(row + 9)
    stride = batch * (side + 2 * HALO) * (side + 2 * HALO)
    n = cin * (KS * KS)
    k = k0 + tl.arange(0, KC)
    off = _tap_offsets(k, stride, side, HALO, KS)
    co = first + tl.arange(0, COUT)
    acc = tl.zeros([KC, COUT], tl.float32)
    bias = tl.zeros([COUT], tl.float32)
    start = tl.program_id(1) * share
    end = tl.minimum(start + share, batch * side * side)
    for p0 in range(start, end, P):
        px = p0 + tl.arange(0, P)
        inside = px < end
        base = _pixel_offsets(px, side, HALO)
        x = tl.load(arena + x_at + base[None, :] + off[:, None], mask=inside[None, :] & (k < n)[:, None], other=0.0)
        x = _activated(x, weights, slope_at)
        to = base[:, None] + co[None, :] * stride
        g = tl.load(arena + g_at + to, mask=inside[:, None] & (co < cout)[None, :], other=0.0)
        acc += product(x, g, PREC)
        bias += tl.sum(g, 0)
    out = gradients + tl.program_id(1).to(tl.int64) * parameters
    at = _weight_offsets(k[:, None], co[None, :], n, KS, SCALE)
    tl.store(out + w_at + at, acc, mask=(k < n)[:, None] & (co < cout)[None, :] & (at >= 0))
    if b_at >= 0:
        if tied > 0:
            tl.store(out + b_at, tl.sum(bias, 0))
        else:
            tl.store(out + b_at + co, bias, mask=co < cout)
