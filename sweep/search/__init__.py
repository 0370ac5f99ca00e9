"""Find the frontier without training every config: a sampler for Optuna, studies, replay and the search loop.

The package itself imports nothing; optuna is imported by its modules.
"""

DEFAULT_BATCH = 8
"""Suggestions that are trained together as packs."""
