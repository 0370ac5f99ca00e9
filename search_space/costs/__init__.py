"""Parameters, multiply-adds and receptive field of a config; those of a user's family from a process of its own."""
