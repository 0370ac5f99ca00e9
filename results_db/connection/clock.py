"""The store's clock, and whether a lease has ended by it."""

from __future__ import annotations

import time
from enum import StrEnum

from sqlalchemy import Connection, text


class Lease(StrEnum):
    """The verdict on a lease."""

    LIVE = "live"
    EXPIRED = "expired"
    REBASE = "rebase"
    """The clock was set back since it was given: count its length again from now."""


SLACK_S = 5.0
"""Clock differences up to this are not a jump."""


def now(connection: Connection) -> float:
    """Seconds since 1970, UTC, by the one clock all drivers of a store share.

    PostgreSQL: the server's (drivers' own clocks may differ). SQLite: the host's, which all its
    drivers share because a network filesystem is refused.
    """
    if connection.dialect.name == "postgresql":
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one())
    return time.time()


def judge(given: float, until: float, at: float) -> Lease:
    """The verdict at ``at`` on a lease given at ``given`` until ``until`` (all seconds since 1970).

    A clock that jumps forward ends leases early: another driver may do the work again, and the attempt
    number keeps the results apart. A clock set back would make a dead driver's lease live on for as long
    as the jump: ``given`` then lies in the future, and the lease is counted again from now.

    >>> judge(100.0, 160.0, 130.0).value, judge(100.0, 160.0, 161.0).value, judge(100.0, 160.0, 20.0).value
    ('live', 'expired', 'rebase')
    """
    if at >= until:
        return Lease.EXPIRED
    if at < given - SLACK_S:
        return Lease.REBASE
    return Lease.LIVE
