"""From a database to what a chart draws: selections, axes, results, models, pictures."""
