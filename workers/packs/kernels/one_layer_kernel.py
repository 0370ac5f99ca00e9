"""Whole training steps of eSR-MAX, eSR-TM, eSR-TR and Linear in one launch, many steps each.

The head mixes the templates of one sub-pixel only, so every (config, sub-pixel) is a training problem of its own: a
*slot*. It needs nothing of any other slot, between steps either, so a program loops over steps without a barrier
between programs. Windows come already in the cosine basis (``turned``), so that Adam on coefficients is plain Adam.
"""

# mypy: ignore-errors
# Triton compiles these functions; they are not Python for a type checker.

import triton
import triton.language as tl

from workers.packs.kernels.arithmetic import adam, loss_and_slope, product


@triton.jit
def one_layer_steps(
    windows,  # (steps, pixels, T) cosine coefficients of the window around each inner pixel
    targets,  # (steps, pixels, S2) the truth by sub-pixel
    weights,  # (slots, MAPS, T, CP) cosine coefficients; maps: value, query (if any), key
    first,
    second,  # Adam's moments, as weights
    counts,  # (slots) templates
    subpixels,  # (slots)
    columns,  # (slots) the member's column in rates
    rates,  # (steps, members + 1) learning rates; 0: the member stays as it is
    corrections,  # (steps, 2): sqrt(1 - beta2^t), 1 / (1 - beta1^t)
    losses,  # (slots) sums of the last step that moved the slot
    steps,
    pixels,
    S2,
    members,
    share,  # 1 / elements in the mean
    gate,
    beta1,
    beta2,
    eps,
    KIND: tl.constexpr,
    T: tl.constexpr,
    CP: tl.constexpr,
    N: tl.constexpr,
    P: tl.constexpr,
    LOSS: tl.constexpr,
    PREC: tl.constexpr,
):
    """A program trains N / CP slots of one kind (0: MAX, 1: TM, 2: TR). No atomics: programs may run in any order."""
    J: tl.constexpr = N // CP
    MAPS: tl.constexpr = KIND + 1
    head = tl.program_id(0) * J + tl.arange(0, J)
    col = tl.arange(0, N)
    taps = tl.arange(0, T)
    slot = tl.program_id(0) * J + col // CP
    c = col % CP
    real = c < tl.load(counts + slot)
    shut = tl.reshape(tl.where(real, 0.0, float("-inf")), [1, J, CP])
    sub = tl.load(subpixels + head)
    at = (slot * (MAPS * T * CP))[None, :] + taps[:, None] * CP + c[None, :]
    KEY: tl.constexpr = (MAPS - 1) * T * CP
    QUERY: tl.constexpr = T * CP
    for s in range(steps):
        value_w = tl.load(weights + at)
        value_g = tl.zeros([T, N], tl.float32)
        if KIND > 0:
            key_w = tl.load(weights + at + KEY)
            key_g = tl.zeros([T, N], tl.float32)
        if KIND > 1:
            query_w = tl.load(weights + at + QUERY)
            query_g = tl.zeros([T, N], tl.float32)
        loss = tl.zeros([J], tl.float32)
        for p0 in range(0, pixels, P):
            px = p0 + tl.arange(0, P)
            inside = px < pixels
            row = s * pixels + px
            x = tl.load(windows + row[:, None] * T + taps[None, :], mask=inside[:, None], other=0.0)
            want = tl.load(targets + row[:, None] * S2 + sub[None, :], mask=inside[:, None], other=0.0)
            xt = tl.trans(x)
            v = tl.reshape(product(x, value_w, PREC), [P, J, CP])
            if KIND == 0:
                shown = v + shut
                out = tl.max(shown, 2)
                chosen = (shown == tl.reshape(out, [P, J, 1])).to(tl.float32)
                pick = chosen / tl.reshape(tl.sum(chosen, 2), [P, J, 1])
            else:
                k = tl.reshape(product(x, key_w, PREC), [P, J, CP])
                logit = k
                if KIND == 2:
                    q = tl.reshape(product(x, query_w, PREC), [P, J, CP])
                    logit = q * k
                logit += shut
                e = tl.exp(logit - tl.reshape(tl.max(logit, 2), [P, J, 1]))
                pick = e / tl.reshape(tl.sum(e, 2), [P, J, 1])
                out = tl.sum(v * pick, 2)
            each, slope = loss_and_slope(out - want, LOSS)
            loss += tl.sum(tl.where(inside[:, None], each, 0.0), 0)
            slope = tl.reshape(tl.where(inside[:, None], slope * share, 0.0), [P, J, 1])
            gv = slope * pick
            value_g += product(xt, tl.reshape(gv, [P, N]), PREC)
            if KIND > 0:
                gl = gv * (v - tl.reshape(out, [P, J, 1]))
                if KIND == 2:
                    key_g += product(xt, tl.reshape(gl * q, [P, N]), PREC)
                    query_g += product(xt, tl.reshape(gl * k, [P, N]), PREC)
                else:
                    key_g += product(xt, tl.reshape(gl, [P, N]), PREC)
        its_rate = rates + s * (members + 1)
        tl.store(losses + head, loss, mask=tl.load(its_rate + tl.load(columns + head)) > 0)
        rate = tl.load(its_rate + tl.load(columns + slot))
        move = (real & (rate > 0))[None, :]
        rate = rate[None, :] * tl.load(corrections + 2 * s + 1)
        root = tl.load(corrections + 2 * s)
        adam(weights, first, second, at, value_g, move, rate, root, beta1, beta2, eps)
        if KIND > 0:
            adam(weights, first, second, at + KEY, key_g, move, rate * gate, root, beta1, beta2, eps)
        if KIND > 1:
            adam(weights, first, second, at + QUERY, query_g, move, rate * gate, root, beta1, beta2, eps)
        # The next step's loads must see what other threads of this program stored.
        tl.debug_barrier()
