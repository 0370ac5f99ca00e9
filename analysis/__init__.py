"""WHAT it means: Pareto frontiers, hypervolume, charts, tables, the HTML report.

Reads ``results_db`` (and ids from ``search_space``); never trains, never writes facts.
"""
