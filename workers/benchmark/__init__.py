"""How fast an architecture runs on this machine: no training needed, the whole device to itself.

``benchmark(configs, device_name=...)`` returns ``Speed`` facts. Files: protocols, subject, session, lock.
"""

from workers.benchmark.measurements import with_ties
from workers.benchmark.protocols import FULLHD14, PROTOCOLS, QHD5, UHD14, SpeedProtocol, protocol, varied
from workers.benchmark.session import REFERENCE, Session, benchmark

__all__ = [
    "FULLHD14",
    "PROTOCOLS",
    "QHD5",
    "REFERENCE",
    "UHD14",
    "Session",
    "SpeedProtocol",
    "benchmark",
    "protocol",
    "varied",
    "with_ties",
]
