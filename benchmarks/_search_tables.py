"""The tables of benchmarks/replay_heldout.py, of several kinds, split by a fixed rule into develop and report.

Settings of the sampler may be chosen on the develop tables only; what documents state is of the report tables.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from results_db.foreign import published
from search_space import Config, atomic
from search_space import parse_id as parse
from search_space.spaces import load_space
from sweep.search.encoding import Encoding, encoding, listed
from sweep.search.objectives import FREE, MEASURED, QUALITY, Constraint, Objective, parse_objectives
from sweep.search.replay_table import ReplayTable, replay_table

DB, PART = 0.15, 0.10
"""Noise: standard deviation of PSNR in dB, and of the logarithm of a cost."""
ONE_LAYER = ("eSR-MAX", "eSR-TM", "eSR-TR")
DEEP = ("ESPCN", "FSRCNN", "eSR-CNN")
ROOT = Path(__file__).parents[1]
RELEASED = ROOT / "benchmarks" / "results" / "released_reevaluated.json"
SEEDS = ROOT / "benchmarks" / "results" / "frontier_seeds.json"
SWEPT = ROOT / "zoo" / "results.parquet"
EXTENDED = ROOT / "benchmarks" / "results" / "extended.json"
parse_id = cache(parse)
Values = Mapping[Objective, Mapping[str, float]]
"""Objective -> config id -> value."""
ANOTHER_SEED = Objective("psnr", "another-seed-Set5")
"""What a search of a table of kind ``another seed`` is told."""


@dataclass(frozen=True)
class Case:
    """One table of the benchmark."""

    kind: str
    table: ReplayTable
    encoding: Encoding
    split: str

    @property
    def budget(self) -> int:
        """A tenth of the configs, rounded down."""
        return len(self.table.facts) // 10


def split_of(name: str) -> str:
    """``develop`` for about half of the names, by their SHA-256, else ``report``."""
    return "develop" if hashlib.sha256(name.encode()).digest()[0] % 2 else "report"


def kept_cases(file: Path, folder: Path) -> list[Case]:
    """``cases``, kept in ``folder`` for the next process: making them costs as much as tens of searches."""
    own = (RELEASED, SWEPT, SEEDS, EXTENDED, Path(__file__))
    sources = (file, *own, *sorted((ROOT / "sweep" / "search").glob("*.py")))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    path = folder / f"search-tables-{digest}.pickle"
    if path.is_file():
        found: list[Case] = pickle.loads(path.read_bytes())
        return found
    found = cases(file)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(path, pickle.dumps(found))
    return found


def cases(file: Path) -> list[Case]:
    """All tables that the published pickle, our evaluation of the released weights and our own full sweep give."""
    found = _Maker(_published(file))
    found.axes()
    found.families()
    found.noise()
    found.many()
    found.bounded()
    found.values = {**found.values, **_released()}
    found.released()
    found.values = {**found.values, **_swept(), **_seeds()}
    found.swept()
    found.further()
    extended = _Maker(_extended(), "extended")
    extended.extended()
    return [*found.cases, *extended.cases]


class _Maker:
    def __init__(self, values: Values, space: str = "paper") -> None:
        self.values = values
        self.cases: list[Case] = []
        self.space = load_space(space)

    def axes(self) -> None:
        """Two objectives: every metric against every cost, device and scale by turns."""
        turn = 0
        for metric, sets in (
            ("psnr", ("Set5", "Urban100", "Manga109")),
            ("ssim", ("BSDS100", "Set14")),
            ("lpips", ("BSDS100", "Urban100")),
        ):
            for dataset in sets:
                for device in ("AGX", "MaxQ", "RPI"):
                    self.add("two axes", f"{metric}:{dataset},fps:{device}", 2 + turn % 3)
                    turn += 1
                turn += 1
        for cost, devices in (("power", ("AGX", "MaxQ")), ("energy", ("AGX", "MaxQ")), ("memory", ("MaxQ",))):
            for device in devices:
                for scale in (2, 4) if cost != "memory" else (2, 3, 4):
                    self.add("other costs", f"psnr:{('Set14', 'BSDS100')[scale // 4]},{cost}:{device}", scale)
        # What the first settings were chosen on can only be developed on.
        for device, scale in (("AGX", 3), ("MaxQ", 2), ("RPI", 4)):
            self.add("two axes", f"psnr:BSDS100,fps:{device}", scale, tuned=True)

    def families(self) -> None:
        """Small spaces."""
        for label, families in (("one-layer", ONE_LAYER), ("deep", DEEP), ("FSRCNN", ("FSRCNN",))):
            for device, scale in (("AGX", 2), ("MaxQ", 3), ("RPI", 4)):
                self.add("subset", f"psnr:Set14,fps:{device}", scale, label=label, families=families)

    def noise(self) -> None:
        """Trained once with luck, and scored by that; or scored by the values without noise."""
        for device, scale in (("AGX", 4), ("MaxQ", 4), ("RPI", 2), ("RPI", 3), ("AGX", 2), ("MaxQ", 3)):
            self.add("noise", f"psnr:Set5,fps:{device}", scale, label="noise")
            self.add("noise in measurement", f"psnr:Set14,fps:{device}", scale, label="noise measured")

    def many(self) -> None:
        """Three and four objectives."""
        for text, scale in (
            ("psnr:Set14,fps:AGX,power:AGX", 2),
            ("psnr:Urban100,fps:MaxQ,memory:MaxQ", 3),
            ("psnr:BSDS100,fps:RPI,parameters", 4),
            ("psnr:Set14,ssim:Set14,fps:AGX", 3),
            ("ssim:Urban100,lpips:Urban100,fps:RPI", 2),
            ("psnr:Set5,parameters,macs", 4),
            ("psnr:Set14,fps:MaxQ,power:MaxQ,memory:MaxQ", 2),
            ("psnr:BSDS100,fps:AGX,fps:MaxQ,fps:RPI", 3),
            ("psnr:Urban100,lpips:Urban100,fps:AGX,power:AGX", 4),
        ):
            self.add("many objectives", text, scale)

    def bounded(self) -> None:
        """Constraints at a quantile of what they bound."""
        for text, scale, bound, at_least, part in (
            ("psnr:Set14,fps:AGX", 3, "power:AGX", False, 0.5),
            ("psnr:Set14,memory:MaxQ", 2, "fps:MaxQ", True, 0.5),
            ("psnr:BSDS100,parameters", 4, "fps:RPI", True, 0.4),
            ("psnr:Urban100,fps:RPI", 2, "parameters", False, 0.6),
            ("ssim:Set14,fps:MaxQ", 4, "energy:MaxQ", False, 0.5),
        ):
            self.add("constraint", text, scale, label=f"{bound} {part}", bound=(bound, at_least, part))

    def released(self) -> None:
        """The released weights as this project evaluates them: a quarter of the space."""
        for text, scale in (
            ("psnr:our-Set14,fps:AGX", 2),
            ("psnr:our-BSDS100,fps:RPI", 3),
            ("psnr:our-Set5,fps:MaxQ", 4),
            ("ssim:our-Set14,fps:RPI", 2),
            ("ssim:our-BSDS100,fps:AGX", 4),
            ("psnr:our-Set14,energy:MaxQ", 3),
        ):
            self.add("released weights", text, scale)

    def swept(self) -> None:
        """The 1185 as this project trained them, none failed, with the published speeds and those of two cores."""
        turn = 0
        for metric in ("psnr", "ssim"):
            for dataset in ("Set5", "Set14", "BSDS100"):
                for device in ("AGX", "MaxQ", "RPI", "swept-eager", "swept-onnxruntime"):
                    self.add("own sweep", f"{metric}:swept-{dataset},fps:{device}", 2 + turn % 3)
                    turn += 1
        for label, families in (("one-layer", ONE_LAYER), ("deep", DEEP)):
            for scale in (2, 3, 4):
                self.add("own sweep", "psnr:swept-Set14,fps:swept-eager", scale, label=label, families=families)
        for device in ("AGX", "RPI", "swept-eager", "swept-onnxruntime"):
            for scale in (2, 3, 4):
                self.add("another seed", f"psnr:two-seeds-Set5,fps:{device}", scale)

    def further(self) -> None:
        """To develop on only: more of the kinds that the fourth round of decision 069 was weakest at."""
        for text, scale in (
            ("psnr:swept-BSDS100,fps:AGX", 4),
            ("psnr:swept-Set5,fps:MaxQ", 3),
            ("psnr:swept-BSDS100,fps:RPI", 2),
            ("psnr:swept-BSDS100,fps:swept-onnxruntime", 4),
            ("ssim:swept-BSDS100,fps:swept-eager", 4),
            ("psnr:swept-Set5,fps:swept-onnxruntime", 3),
            ("psnr:swept-Set5,fps:RPI", 4),
        ):
            self.add("own sweep", text, scale, label="deep", families=DEEP, tuned=True)
        for text, scale in (
            ("ssim:Set14,lpips:Set14,fps:RPI", 3),
            ("psnr:Set14,lpips:Set14,fps:MaxQ", 2),
            ("ssim:BSDS100,lpips:BSDS100,fps:AGX", 4),
            ("psnr:Urban100,fps:RPI,parameters", 2),
            ("psnr:Manga109,fps:AGX,power:AGX", 3),
            ("psnr:Set5,ssim:Set5,fps:RPI", 4),
            ("psnr:Set5,lpips:Set5,fps:AGX,power:AGX", 2),
            ("psnr:Set14,parameters,macs", 2),
            ("psnr:Manga109,fps:MaxQ,power:MaxQ,memory:MaxQ", 3),
            ("psnr:Set14,fps:RPI,fps:AGX", 4),
            ("ssim:Manga109,lpips:Manga109,fps:MaxQ", 3),
        ):
            self.add("many objectives", text, scale, tuned=True)

    def extended(self) -> None:
        """The space ``extended``, its scales that were trained whole."""
        for metric in ("psnr", "ssim"):
            for dataset in ("Set5", "Set14", "BSDS100"):
                for scale in (2, 3, 4):
                    whole = sum(config.scale == scale for config in self.space.configs)
                    column = self._column(Objective(metric, f"extended-{dataset}"))
                    if sum(parse_id(i).scale == scale for i in column) == whole:
                        self.add("extended", f"{metric}:extended-{dataset},fps:extended-eager", scale)

    def add(
        self,
        kind: str,
        text: str,
        scale: int,
        *,
        label: str = "",
        families: tuple[str, ...] = (),
        bound: tuple[str, bool, float] | None = None,
        tuned: bool = False,
    ) -> None:
        objectives = parse_objectives(text)
        name = " ".join(filter(None, (text, label)))
        columns = [self._column(o) for o in objectives]
        ids = [i for i in columns[0] if parse_id(i).scale == scale and all(i in column for column in columns)]
        ids = [i for i in ids if not families or parse_id(i).family in families]
        values = {i: tuple(column[i] for column in columns) for i in ids}
        constraints: tuple[Constraint, ...] = ()
        bounded: dict[str, dict[Objective, float]] = {}
        if bound is not None:
            objective = _objective(bound[0])
            column = self._column(objective)
            level = float(f"{np.quantile([column[i] for i in ids], bound[2]):.6g}")
            constraints = (Constraint(objective, bound[1], level),)
            bounded = {i: {objective: column[i]} for i in ids}
        table = replay_table(name, objectives, values, constraints, bounded)
        if kind == "another seed":
            table = replace(table, measured=_with_another_seed(table, self.values[ANOTHER_SEED]))
        if "noise" in kind:
            noisy = _noisy(table, f"{name} x{scale}")
            table = replace(table, facts=noisy) if kind == "noise" else replace(table, measured=noisy)
        whole = not families and kind not in ("released weights", "another seed")
        encoded = encoding(self.space, scale) if whole else encoding(self.space, scale, families) if families else None
        split = "develop" if tuned else split_of(f"{name} x{scale}")
        self.cases.append(Case(kind, table, encoded or listed(table.facts), split))

    def _column(self, objective: Objective) -> Mapping[str, float]:
        if objective in self.values:
            return self.values[objective]
        ids: Iterable[str] = next(iter(self.values.values()))
        return {i: value for i in ids if (value := objective.free_value(parse_id(i))) is not None}


def _objective(text: str) -> Objective:
    kind, _, target = text.partition(":")
    assert kind in (*MEASURED, *QUALITY, *FREE)
    return Objective(kind, target)


def _noisy(table: ReplayTable, name: str) -> dict[Config, dict[Objective, float]]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    out = {}
    for config, facts in table.facts.items():
        out[config] = {
            o: value + DB * rng.standard_normal() if o.needs_training else value * np.exp(PART * rng.standard_normal())
            for o, value in facts.items()
        }
    return out


def _published(file: Path) -> dict[Objective, dict[str, float]]:
    read = published.read(file)
    out: dict[Objective, dict[str, float]] = {}
    for q in read.qualities:
        out.setdefault(Objective(q.metric, q.dataset), {})[q.config] = q.value
    for s in read.speeds:
        costs = {"fps": s.fps, "power": s.power_w, "memory": s.memory_mib}
        costs["energy"] = s.power_w / s.fps if s.power_w is not None else None
        for kind, value in costs.items():
            if value is not None:
                out.setdefault(Objective(kind, s.device), {})[s.config] = value
    return out


def _with_another_seed(table: ReplayTable, told: Mapping[str, float]) -> dict[Config, dict[Objective, float]]:
    return {
        config: {o: told[config.id] if o.needs_training else value for o, value in facts.items()}
        for config, facts in table.facts.items()
    }


def _released() -> dict[Objective, dict[str, float]]:
    out: dict[Objective, dict[str, float]] = {}
    for row in json.loads(RELEASED.read_text())["rows"]:
        for metric in ("psnr", "ssim"):
            out.setdefault(Objective(metric, f"our-{row['dataset']}"), {})[row["config"]] = row[metric]
    return out


@cache
def _swept() -> dict[Objective, dict[str, float]]:
    rows = pd.read_parquet(SWEPT)
    networks = rows.drop_duplicates("config").set_index("config")
    out: dict[Objective, dict[str, float]] = {}
    for metric in ("psnr", "ssim"):
        for dataset in ("Set5", "Set14", "BSDS100"):
            out[Objective(metric, f"swept-{dataset}")] = networks[f"{metric}:{dataset}"].to_dict()
    for backend, of_backend in rows.groupby("backend"):
        out[Objective("fps", f"swept-{backend}")] = of_backend.set_index("config")["fps"].to_dict()
    return out


def _extended() -> dict[Objective, dict[str, float]]:
    """Our own sweep and the families that ``extended`` adds, by the same recipe."""
    out = {Objective(o.kind, o.target.replace("swept", "extended")): dict(of) for o, of in _swept().items()}
    for row in json.loads(EXTENDED.read_text())["rows"]:
        for column in row.keys() - {"config", "disturbed", "fps"}:
            metric, _, dataset = column.partition(":")
            out[Objective(metric, f"extended-{dataset}")][row["config"]] = row[column]
        out[Objective("fps", "extended-eager")][row["config"]] = row["fps"]
    return out


def _seeds() -> dict[Objective, dict[str, float]]:
    """Networks trained three times: a search is told the second, and scored by the mean of the first and the third."""
    trained: dict[str, list[float]] = json.loads(SEEDS.read_text())["psnr_set5"]
    return {
        Objective("psnr", "two-seeds-Set5"): {config: (seeds[0] + seeds[2]) / 2 for config, seeds in trained.items()},
        ANOTHER_SEED: {config: seeds[1] for config, seeds in trained.items()},
    }
