"""Between gradients and weights: the input into the arena, PReLU's slopes, Adam, orthogonal steps, the clock."""

# mypy: ignore-errors
# Triton compiles these functions; they are not Python for a type checker.

import triton
import triton.language as tl

from workers.packs.kernels.arithmetic import adam, moments, product
from workers.packs.kernels.conv_kernels import _pixel_offsets


@triton.jit(do_not_specialize=["batch", "side"])
def place_input(arena, low, clock, batch, side, HALO: tl.constexpr, P: tl.constexpr):
    """The patches (batch, 1, side, side) of step ``clock`` into the arena's first channel. Grid (pixel tiles)."""
    px = tl.program_id(0) * P + tl.arange(0, P)
    inside = px < batch * side * side
    step = tl.load(clock).to(tl.int64)
    x = tl.load(low + step * (batch * side * side) + px, mask=inside)
    tl.store(arena + _pixel_offsets(px, side, HALO), x, mask=inside)


@triton.jit
def tick(clock):
    """The next step. A launch of its own: all programs of a step read the clock."""
    tl.store(clock, tl.load(clock) + 1)


@triton.jit
def fold_slopes(partials, gradients, table, P: tl.constexpr):
    """The gradient of a slope: the sum of its partial sums. Row: first partial, their number, parameter."""
    row = table + tl.program_id(0) * 12
    start, count, to = tl.load(row), tl.load(row + 1).to(tl.int32), tl.load(row + 2)
    total = tl.zeros([P], tl.float32)
    for i0 in range(0, count, P):
        i = i0 + tl.arange(0, P)
        total += tl.load(partials + start + i, mask=i < count, other=0.0)
    tl.store(gradients + to, tl.sum(total, 0))


@triton.jit
def _whole_gradient(gradients, at, mask, parameters, PARTS: tl.constexpr):
    total = tl.load(gradients + at, mask=mask, other=0.0)
    for part in tl.static_range(1, PARTS):
        total += tl.load(gradients + part * parameters + at, mask=mask, other=0.0)
    return total


@triton.jit(do_not_specialize=["parameters", "members"])
def adam_flat(
    weights, first, second, gradients, multiplier, rates, corrections, clock, table, parameters, members,
    beta1, beta2, eps,
    PARTS: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """Adam on R parameters. Row: start, count, member. ``rates`` (steps, members), 0: stays.

    ``corrections`` (steps, 2): sqrt(1 - beta2^t), 1 / (1 - beta1^t).
    """
    row = table + tl.program_id(0) * 12
    start, count, member = tl.load(row), tl.load(row + 1), tl.load(row + 2)
    step = tl.load(clock)
    rate = tl.load(rates + step * members + member)
    if rate > 0:
        i = tl.arange(0, R)
        mask = i < count
        at = start + i
        gradient = _whole_gradient(gradients, at, mask, parameters, PARTS)
        by = rate * tl.load(corrections + 2 * step + 1) * tl.load(multiplier + at, mask=mask, other=0.0)
        adam(weights, first, second, at, gradient, mask, by, tl.load(corrections + 2 * step), beta1, beta2, eps)


@triton.jit(do_not_specialize=["parameters", "members"])
def adam_turned(
    weights, first, second, gradients, multiplier, basis, rates, corrections, clock, table, parameters, members,
    beta1, beta2, eps,
    PARTS: tl.constexpr, R: tl.constexpr, AREA: tl.constexpr, AP: tl.constexpr, PREC: tl.constexpr,
):  # fmt: skip
    """Adam on the cosine coefficients of R filters of AREA taps; ``basis`` (AP, AP): taps by coefficient."""
    row = table + tl.program_id(0) * 12
    start, count, member = tl.load(row), tl.load(row + 1), tl.load(row + 2)
    step = tl.load(clock)
    rate = tl.load(rates + step * members + member)
    if rate > 0:
        r = tl.arange(0, R)
        t = tl.arange(0, AP)
        at = start + r[:, None] * AREA + t[None, :]
        mask = (r < count)[:, None] & (t < AREA)[None, :]
        turn = tl.load(basis + t[:, None] * AP + t[None, :])
        gradient = product(_whole_gradient(gradients, at, mask, parameters, PARTS), turn, PREC)
        m, v = moments(first, second, at, gradient, mask, beta1, beta2)
        moved = (
            m / (tl.sqrt(v) / tl.load(corrections + 2 * step) + eps) * tl.load(multiplier + at, mask=mask, other=0.0)
        )
        moved = product(moved, tl.trans(turn), PREC)
        w = tl.load(weights + at, mask=mask, other=0.0)
        tl.store(weights + at, w - moved * (rate * tl.load(corrections + 2 * step + 1)), mask=mask)


@triton.jit(do_not_specialize=["parameters", "members"])
def momentum_flat(
    first, ahead, gradients, freshness, rates, clock, table, parameters, members, PARTS: tl.constexpr, R: tl.constexpr
):
    """Momentum of R parameters, and in ``ahead`` the same a gradient further. Row: start, count, member.

    ``freshness`` (members): what a gradient counts in the momentum.
    """
    row = table + tl.program_id(0) * 12
    start, count, member = tl.load(row), tl.load(row + 1), tl.load(row + 2)
    if tl.load(rates + tl.load(clock) * members + member) > 0:
        i = tl.arange(0, R)
        mask = i < count
        at = start + i
        gradient = _whole_gradient(gradients, at, mask, parameters, PARTS)
        fresh = tl.load(freshness + member)
        m = tl.load(first + at, mask=mask, other=0.0)
        m += fresh * (gradient - m)
        tl.store(first + at, m, mask=mask)
        tl.store(ahead + at, m + fresh * (gradient - m), mask=mask)


@triton.jit
def _layer_offsets(start, bias, rows, width, n, r, i):
    """Of a layer's (rows, n) matrix in a flat vector: taps, with the biases (if any) as the last column."""
    at = start + r[:, None] * width + i[None, :]
    at = tl.where(i[None, :] == width, bias + r[:, None], at)
    return at, (r < rows)[:, None] & (i < n)[None, :]


@triton.jit(do_not_specialize=["members"])
def turn_white(
    ahead, inverses, turned, table, rates, clock, members, RP: tl.constexpr, NC: tl.constexpr, PREC: tl.constexpr
):
    """NC columns of momentum @ inverse. Grid (table rows). Row: start, bias, rows, width, member, inverse, turned,
    first column."""
    row = table + tl.program_id(0) * 12
    start, bias = tl.load(row), tl.load(row + 1)
    rows, width, member = tl.load(row + 2).to(tl.int32), tl.load(row + 3).to(tl.int32), tl.load(row + 4)
    inverse_at, turned_at, c0 = tl.load(row + 5), tl.load(row + 6), tl.load(row + 7).to(tl.int32)
    if tl.load(rates + tl.load(clock) * members + member) > 0:
        n = width + (bias >= 0).to(tl.int32)
        r = tl.arange(0, RP)
        c = c0 + tl.arange(0, NC)
        acc = tl.zeros([RP, NC], tl.float32)
        for i0 in range(0, n, NC):
            i = i0 + tl.arange(0, NC)
            at, real = _layer_offsets(start, bias, rows, width, n, r, i)
            m = tl.load(ahead + at, mask=real, other=0.0)
            square = (i < n)[:, None] & (c < n)[None, :]
            e = tl.load(inverses + inverse_at + i[:, None] * n + c[None, :], mask=square, other=0.0)
            acc += product(m, e, PREC)
        tl.store(turned + turned_at + r[:, None] * n + c[None, :], acc, mask=(r < rows)[:, None] & (c < n)[None, :])


@triton.jit(do_not_specialize=["members"])
def step_orthogonally(
    weights, ahead, turned, gains, table, rates, clock, members,
    RP: tl.constexpr, NC: tl.constexpr, ROUNDS: tl.constexpr, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr,
    PREC: tl.constexpr,
):  # fmt: skip
    """``whitening.orthogonal`` of a layer, and the step. Grid (layers). Rows as ``turn_white``'s, gain last (8)."""
    row = table + tl.program_id(0) * 12
    start, bias = tl.load(row), tl.load(row + 1)
    rows, width, member = tl.load(row + 2).to(tl.int32), tl.load(row + 3).to(tl.int32), tl.load(row + 4)
    turned_at, gain = tl.load(row + 6), tl.load(gains + tl.load(row + 8))
    rate = tl.load(rates + tl.load(clock) * members + member)
    if rate > 0:
        n = width + (bias >= 0).to(tl.int32)
        r = tl.arange(0, RP)
        gram = tl.zeros([RP, RP], tl.float32)
        for i0 in range(0, n, NC):
            i = i0 + tl.arange(0, NC)
            at, real = _layer_offsets(start, bias, rows, width, n, r, i)
            m = tl.load(ahead + at, mask=real, other=0.0)
            t = tl.load(turned + turned_at + r[:, None] * n + i[None, :], mask=real, other=0.0)
            gram += product(t, tl.trans(m), PREC)
        one = (r[:, None] == r[None, :]).to(tl.float32)
        size = tl.maximum(tl.sum(tl.sum(gram * one, 1), 0), 1e-30)
        gram = gram / size
        total = one
        for _ in range(ROUNDS):
            factor = A * one + B * gram + C * product(gram, gram, PREC)
            total = product(total, factor, PREC)
            gram = product(product(gram, factor, PREC), factor, PREC)
        by = rate * gain / tl.sqrt(size)
        for i0 in range(0, n, NC):
            i = i0 + tl.arange(0, NC)
            at, real = _layer_offsets(start, bias, rows, width, n, r, i)
            t = tl.load(turned + turned_at + r[:, None] * n + i[None, :], mask=real, other=0.0)
            w = tl.load(weights + at, mask=real, other=0.0)
            tl.store(weights + at, w - product(total, t, PREC) * by, mask=real)


@triton.jit
def _multiply(out, a, b, RP: tl.constexpr, NB: tl.constexpr, PREC: tl.constexpr):
    """out = a @ b, all (RP, RP) in memory: a product as a whole would not stay in registers."""
    r = tl.arange(0, RP)
    for c0 in range(0, RP, NB):
        c = c0 + tl.arange(0, NB)
        acc = tl.zeros([RP, NB], tl.float32)
        for k0 in range(0, RP, NB):
            k = k0 + tl.arange(0, NB)
            left = tl.load(a + r[:, None] * RP + k[None, :])
            acc += product(left, tl.load(b + k[:, None] * RP + c[None, :]), PREC)
        tl.store(out + r[:, None] * RP + c[None, :], acc)
    tl.debug_barrier()


@triton.jit(do_not_specialize=["members"])
def step_orthogonally_wide(
    weights, ahead, turned, gains, scratch, table, rates, clock, members,
    RP: tl.constexpr, NB: tl.constexpr, ROUNDS: tl.constexpr, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr,
    PREC: tl.constexpr,
):  # fmt: skip
    """``step_orthogonally`` of layers of many rows, by way of ``scratch``: five (RP, RP) matrices a layer."""
    row = table + tl.program_id(0) * 12
    start, bias = tl.load(row), tl.load(row + 1)
    rows, width, member = tl.load(row + 2).to(tl.int32), tl.load(row + 3).to(tl.int32), tl.load(row + 4)
    turned_at, gain = tl.load(row + 6), tl.load(gains + tl.load(row + 8))
    rate = tl.load(rates + tl.load(clock) * members + member)
    if rate > 0:
        n = width + (bias >= 0).to(tl.int32)
        r = tl.arange(0, RP)
        gram = scratch + tl.program_id(0).to(tl.int64) * (5 * RP * RP)
        square = gram + RP * RP
        factor = gram + 2 * RP * RP
        total = gram + 3 * RP * RP
        spare = gram + 4 * RP * RP
        trace = tl.zeros([RP, NB], tl.float32)
        for c0 in range(0, RP, NB):
            c = c0 + tl.arange(0, NB)
            acc = tl.zeros([RP, NB], tl.float32)
            for i0 in range(0, n, NB):
                i = i0 + tl.arange(0, NB)
                inside = (r < rows)[:, None] & (i < n)[None, :]
                t = tl.load(turned + turned_at + r[:, None] * n + i[None, :], mask=inside, other=0.0)
                at, real = _layer_offsets(start, bias, rows, width, n, c, i)
                acc += product(t, tl.trans(tl.load(ahead + at, mask=real, other=0.0)), PREC)
            same = r[:, None] == c[None, :]
            trace += tl.where(same, acc, 0.0)
            tl.store(gram + r[:, None] * RP + c[None, :], acc)
            tl.store(total + r[:, None] * RP + c[None, :], same.to(tl.float32))
        size = tl.maximum(tl.sum(tl.sum(trace, 1), 0), 1e-30)
        tl.debug_barrier()
        # The matrix is divided once, where it is first read; later rounds read it as it is.
        by = 1.0 / size
        for _ in range(ROUNDS):
            _multiply(square, gram, gram, RP, NB, PREC)
            for c0 in range(0, RP, NB):
                to = r[:, None] * RP + (c0 + tl.arange(0, NB))[None, :]
                same = (r[:, None] == (c0 + tl.arange(0, NB))[None, :]).to(tl.float32)
                g = tl.load(gram + to) * by
                tl.store(factor + to, A * same + B * g + C * (tl.load(square + to) * by * by))
                tl.store(gram + to, g)
            tl.debug_barrier()
            _multiply(spare, total, factor, RP, NB, PREC)
            for c0 in range(0, RP, NB):
                to = r[:, None] * RP + (c0 + tl.arange(0, NB))[None, :]
                tl.store(total + to, tl.load(spare + to))
            _multiply(spare, gram, factor, RP, NB, PREC)
            _multiply(gram, spare, factor, RP, NB, PREC)
            by = by * 0.0 + 1.0
        step_by = rate * gain / tl.sqrt(size)
        for i0 in range(0, n, NB):
            i = i0 + tl.arange(0, NB)
            acc = tl.zeros([RP, NB], tl.float32)
            for k0 in range(0, RP, NB):
                k = k0 + tl.arange(0, NB)
                inside = (k < rows)[:, None] & (i < n)[None, :]
                t = tl.load(turned + turned_at + k[:, None] * n + i[None, :], mask=inside, other=0.0)
                acc += product(tl.load(total + r[:, None] * RP + k[None, :]), t, PREC)
            at, real = _layer_offsets(start, bias, rows, width, n, r, i)
            w = tl.load(weights + at, mask=real, other=0.0)
            tl.store(weights + at, w - acc * step_by, mask=real)
