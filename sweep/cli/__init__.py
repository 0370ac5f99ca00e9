"""The command line: one file a command, gathered in ``sweep.cli.main``."""
