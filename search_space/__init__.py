"""WHAT to try: configs, ids, spaces, and the architectures themselves.

Imports no other package of ours. Torch is imported only when a module is built.
"""

from search_space.config import SCALES, Config, Conv
from search_space.ids import config_id, parse_id
from search_space.registry import family, family_class

__all__ = ["SCALES", "Config", "Conv", "config_id", "family", "family_class", "parse_id"]
