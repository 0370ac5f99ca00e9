"""Text of strangers (a database, a results file, an error of theirs) as it may be printed and drawn."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of controls (also the terminal's escape), of invisible marks that turn the direction of text
round, of half characters and of line ends."""


def visible(text: str) -> str:
    r"""``text`` with every character that commands a terminal or hides itself written as its number.

    >>> visible("a\x1b[31mb"), visible("\u202egnp.exe"), visible("é 図\n")
    ('a\\x1b[31mb', '\\u202egnp.exe', 'é 図\n')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in _KEPT or unicodedata.category(char) not in _HIDDEN
        else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )
