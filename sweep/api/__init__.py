"""The functions behind ``import sweep``, which the commands are a shell over: train, search, measure, read, export.

They print nothing unless asked, return facts, and raise the errors of ``search_space.errors``. Only ``sweep`` itself
and ``sweep.cli`` import them.
"""
