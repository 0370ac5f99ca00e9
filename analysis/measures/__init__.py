"""Pure functions on points: frontier, hypervolume, knee, agreement, the best within a budget."""
