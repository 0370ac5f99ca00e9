"""Find the frontier without trying everything: a sampler for Optuna, studies, replay and the loop that trains.

Imports everything below ``sweep`` it needs, and optuna only inside its modules.
"""

DEFAULT_BATCH = 8
"""Suggestions that train together as packs."""
