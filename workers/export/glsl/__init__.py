"""A network as a user shader of mpv and libplacebo: weights inside, hooked on the luma plane.

``shader(module, metadata)`` gives its text. ``plan`` says what is computed, ``convolution`` and ``heads`` write it, and
``compute`` and ``fragment`` are the two forms it can take.
"""

from workers.export.glsl.plan import Plan, plan_of
from workers.export.glsl.shader import shader

__all__ = ["Plan", "plan_of", "shader"]
