"""WHAT was found: the schema, its migrations, the ``Store``, import and export.

Imports ``search_space`` only. The driver (``sweep``) is the one writer; ``analysis`` reads.
"""
