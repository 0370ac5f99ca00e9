"""Statements on the tables: trials, leases, outcomes, history, speeds, imported quality."""
