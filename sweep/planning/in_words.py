"""Durations for people."""


def in_words(seconds: float) -> str:
    """A duration in its largest fitting unit; NaN is one that is not known.

    >>> in_words(42), in_words(600), in_words(9000), in_words(400000)
    ('42 s', '10 min', '2.5 h', '4.6 days')
    """
    if seconds != seconds:
        return "an unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
