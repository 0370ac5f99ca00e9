"""Statistics, turns and disturbance of timings. Python's own library only: these files go to boards."""
