"""A finished sweep as a folder to share: trained weights, results, a model card; and back into a database.

``export`` writes the folder, ``load`` keeps it in a store; ``document`` and ``weights`` say what is in its files.
"""
