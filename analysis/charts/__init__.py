"""The charts: each takes data and returns a figure; none queries and none saves."""
