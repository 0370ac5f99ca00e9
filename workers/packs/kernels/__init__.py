"""Training steps on a GPU in Triton kernels of our own: one-layer nets in slots, deep nets through tables of work.

Only ``engine`` and what it needs imports Triton; ``available`` says whether and why not.
"""
