"""From a database to what a chart draws: selections, results, models, test images."""
