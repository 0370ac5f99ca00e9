"""The version of the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "0+unknown"
"""What a checkout that is not installed calls itself."""


def installed_version(distribution: str = "edge-sweep") -> str:
    """The version that pip knows, or ``UNKNOWN``.

    >>> installed_version("no-such-distribution")
    '0+unknown'
    """
    try:
        return version(distribution)
    except PackageNotFoundError:
        return UNKNOWN


__version__ = installed_version()
