"""HOW one is done: data, degradation, training, quality, benchmark, sensors, export.

Takes configs and a recipe, returns facts. Imports ``search_space`` only: never the database, never the CLI.
"""
