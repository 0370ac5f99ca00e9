"""How many planted bugs the quick tests of the pure modules notice: ``mutmut`` over them (docs/decisions/067).

Slow, and goes on where it stopped: ``make mutants`` runs it with low priority on one core. ``--sample`` takes about a
third of the mutants, some of every function; ``--quick`` looks at one module. A survivor that no test can tell from the
original is named with the reason in ``_equivalent_mutants.json``; any other is listed as untested. More than 5 % of
survivors that are not equivalent is exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from _record import RESULTS, record

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).with_name("_equivalent_mutants.json")
QUICK = "results_db.states*"
SAMPLE = "*__mutmut_*[147]"
"""Mutants of a function are numbered from 1: those whose number ends so."""
MOST_SURVIVORS = 0.05
KILLED = ("killed", "timeout", "segfault")
"""A mutant that never ends is noticed as one that gives another result is."""


def mutate(patterns: list[str]) -> None:
    """Run what was not run yet, and what survived so far: there may be new tests."""
    for path in (ROOT / "mutants").rglob("*.meta"):
        known = json.loads(path.read_text(encoding="utf-8"))
        codes = known["exit_code_by_key"]
        known["exit_code_by_key"] = {name: None if code == 0 else code for name, code in codes.items()}
        path.write_text(json.dumps(known), encoding="utf-8")
    # Our packages must come from the mutated copy, not from the path of whoever calls this.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = ["nice", "-n", "15", sys.executable, "-m", "mutmut", "run", "--max-children", "1", *patterns]
    subprocess.run(command, cwd=ROOT, env=environment | {"OMP_NUM_THREADS": "1"}, check=True)


def outcomes(patterns: list[str]) -> dict[str, str]:
    """The outcome of each mutant by name."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = dict(line.strip().rsplit(": ", 1) for line in told.splitlines() if ": " in line)
    return {name: outcome for name, outcome in found.items() if any(fnmatch(name, p) for p in patterns or ["*"])}


def change(name: str) -> tuple[str, str]:
    """The lines a mutant replaces and what it puts there, without indentation."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name).splitlines()
    removed = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    added = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    return "\n".join(removed), "\n".join(added)


def place(name: str) -> tuple[str, str]:
    """Module and function of a mutant: ``a.b.x_f__mutmut_3`` or ``a.b.xǁClassǁf__mutmut_3``."""
    module, _, rest = name.rpartition(".")
    function = rest.rpartition("__mutmut_")[0]
    return module, ".".join(function.split("ǁ")[1:]) if "ǁ" in function else function.removeprefix("x_")


def explains(reason: dict[str, Any], told: dict[str, str]) -> bool:
    """Whether a reason is about this mutant: what it names is equal, and its swap makes the mutant of the original."""
    old, new = reason["swap"]
    places = [told["before"][:at] + new + told["before"][at + len(old) :] for at in positions(told["before"], old)]
    named = all(reason[key] == told[key] for key in ("module", "function") if key in reason)
    return named and told["after"] in places


def positions(text: str, part: str) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(part, at)]


def survivor(name: str, reasons: list[dict[str, Any]]) -> dict[str, Any]:
    """What is told of a mutant that no test noticed."""
    (module, function), (before, after) = place(name), change(name)
    told = {"module": module, "function": function, "before": before, "after": after}
    why = next((one["why"] for one in reasons if explains(one, told)), None)
    return told | {"equivalent": why is not None, "why": why or "untested"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK}")
    parser.add_argument("--sample", action="store_true", help=f"only {SAMPLE}")
    parser.add_argument("--report", action="store_true", help="write what is known without running anything")
    arguments = parser.parse_args()
    patterns = [QUICK] * arguments.quick + [SAMPLE] * arguments.sample
    os.chdir(ROOT)
    if not arguments.report:
        mutate(patterns)
    found = outcomes(patterns)
    unknown = [name for name, outcome in found.items() if outcome == "not checked"]
    if unknown:
        print(f"{len(unknown)} mutants are not checked yet: run it again", file=sys.stderr)
        return 1
    reasons = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    alive = [survivor(name, reasons) for name, outcome in sorted(found.items()) if outcome not in KILLED]
    modules = Counter(place(name)[0] for name in found)
    by_module = {}
    for module, count in sorted(modules.items()):
        here = [one for one in alive if one["module"] == module]
        equivalent = sum(one["equivalent"] for one in here)
        by_module[module] = {
            "mutants": count, "killed": count - len(here), "survived": len(here), "equivalent": equivalent,
        }  # fmt: skip
    total = {
        key: sum(row[key] for row in by_module.values()) for key in ("mutants", "killed", "survived", "equivalent")
    }
    untested = total["survived"] - total["equivalent"]
    measurements: dict[str, Any] = {**total, "by_module": by_module, "survivors": alive}
    path = record("mutants", measurements, ("mutmut", "pytest", "numpy"))
    print(f"{total['mutants']} mutants: {total['killed']} killed, {total['survived']} survived, of which "
          f"{total['equivalent']} cannot be told from the original; {path.relative_to(RESULTS.parent)}")  # fmt: skip
    return int(untested > MOST_SURVIVORS * total["mutants"])


if __name__ == "__main__":
    sys.exit(main())
