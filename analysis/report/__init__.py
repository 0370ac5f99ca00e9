"""The page one sends to a colleague: ``content`` gathers, ``page`` renders one self-contained HTML file."""
