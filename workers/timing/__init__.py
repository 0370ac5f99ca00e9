"""Statistics, turns and disturbance of timings. Python's own library only, as they are part of kits."""
