"""What the kernels share: products of a stated precision, the losses, Adam's step, the tangent."""

# mypy: ignore-errors
# Triton compiles these functions; they are not Python for a type checker.

import triton
import triton.language as tl


@triton.jit
def product(a, b, PREC: tl.constexpr):
    """a @ b of float32, summed in float32. PREC: "tf32x3" (float32 in three parts), "tf32", or "bf16"."""
    if PREC == "bf16":
        # TF32 holds a bfloat16 exactly; interpreted, products of bfloat16 itself are wrong.
        out = tl.dot(a.to(tl.bfloat16).to(tl.float32), b.to(tl.bfloat16).to(tl.float32), input_precision="tf32")
    else:  # after a return it would be compiled all the same, and bf16 refused
        out = tl.dot(a, b, input_precision=PREC)
    return out


@triton.jit
def loss_and_slope(difference, LOSS: tl.constexpr):
    """The loss of each element and its derivative; LOSS numbers ``recipe.LOSSES``: mse, l1, charbonnier."""
    if LOSS == 0:
        each = difference * difference
        slope = 2 * difference
    elif LOSS == 1:
        each = tl.abs(difference)
        slope = tl.where(difference > 0, 1.0, tl.where(difference < 0, -1.0, 0.0))
    else:
        each = tl.sqrt(difference * difference + 1e-6)
        slope = difference / each
    return each, slope


@triton.jit
def moments(first, second, at, gradient, move, beta1, beta2):
    """Adam's moments at ``at``, brought up to date in place where ``move``."""
    m = tl.load(first + at, mask=move, other=0.0)
    v = tl.load(second + at, mask=move, other=0.0)
    m = m + (1 - beta1) * (gradient - m)
    v = v * beta2 + (1 - beta2) * gradient * gradient
    tl.store(first + at, m, mask=move)
    tl.store(second + at, v, mask=move)
    return m, v


@triton.jit
def adam(weights, first, second, at, gradient, move, rate, root, beta1, beta2, eps):
    """Adam's step in place at ``at``, where ``move``: elsewhere weights and moments stay as they are."""
    w = tl.load(weights + at, mask=move, other=0.0)
    m, v = moments(first, second, at, gradient, move, beta1, beta2)
    tl.store(weights + at, w - m / (tl.sqrt(v) / root + eps) * rate, mask=move)


@triton.jit
def tangent(x):
    """tanh, without overflow."""
    e = tl.exp(-2 * tl.abs(x))
    t = (1 - e) / (1 + e)
    return tl.where(x < 0, -t, t)
