"""The small family of errors a user can act on: each says what was wrong, with which value, and what to do."""


class SweepError(Exception):
    """Base of every error the product raises on purpose; the CLI prints it as one line and exits 2."""


class BadConfig(SweepError):
    """An id, a family or a field value that names no architecture; ``field`` names the field at fault, if one is."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadSpace(SweepError):
    """A space file, preset name or filter that cannot be read, with the line that made it where there is one."""


class BadData(SweepError):
    """A data folder or an image that cannot be used."""


class BadWeights(SweepError):
    """A weights file that is missing, unsafe, or made for another config."""


class MissingExtra(SweepError):
    """An optional dependency is needed; the message names the pip command that brings it."""


class StoreError(SweepError):
    """The results database cannot be opened, read or written."""


class StoreLost(StoreError):
    """The database in use is gone, replaced, cut short or damaged: nothing more can be stored in it."""


def first_line(error: BaseException, most: int = 300) -> str:
    """What an error says, for a message of one line: its first line that is not empty, or else its type.

    >>> first_line(ValueError("\\n  bad header\\nat byte 4")), first_line(KeyboardInterrupt())
    ('bad header', 'KeyboardInterrupt')
    """
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:most] if lines else type(error).__name__
