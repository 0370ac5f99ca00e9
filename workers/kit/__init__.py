"""A board that cannot run Ray or torch: ``bundle`` makes a kit, the board runs it, ``read_results`` takes its file.

``board.py`` is the kit's own program and imports neither torch nor anything of ``search_space``.
"""
