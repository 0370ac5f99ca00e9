"""Train many configs together, each with the result of training it alone: ``train_pack``.

A pack shares one stream of patches. On a CPU a compiled step trains the paper's families (``native``); on a GPU, and
without a compiler, networks of one structure are stacked (``stack``); other families take their turns.
"""

from workers.packs.compiled import why_not
from workers.packs.engine import Member
from workers.packs.plan import member_bytes, pack_bytes, plan_packs
from workers.packs.train import Checkpoint, Result, pack_from_bytes, pack_to_bytes, train_pack

__all__ = [
    "Checkpoint",
    "Member",
    "Result",
    "member_bytes",
    "pack_bytes",
    "pack_from_bytes",
    "pack_to_bytes",
    "plan_packs",
    "train_pack",
    "why_not",
]
