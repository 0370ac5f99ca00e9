"""The 168 configs that ``extended`` adds to the paper's space, trained and timed: results/extended.json.

    sweep run --space extended --family ABPN --family ECBSR --family ESPCN-BR --family Linear --recipe evening \\
        --name extended --data-root ~/sr --train T91 --train General100 \\
        --test Set5 --test Set14 --test BSDS100 --db runs/extended.db
    python benchmarks/extended.py --db runs/extended.db

A scale that is not there whole is left out. With zoo/results.parquet the rows make tables of the whole space
``extended`` for benchmarks/replay_heldout.py.
"""

from __future__ import annotations

import argparse

from _record import record
from full_sweep import SCALES, SETS, read_options

from results_db.reading.frames import results
from results_db.store import Store
from search_space import parse_id
from search_space.spaces import load_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = read_options(parser)
    paper = {config.id for config in load_space("paper").configs}
    added = [config.id for config in load_space("extended").configs if config.id not in paper]
    with Store.open(asked.db, readonly=True) as store:
        found = results(store, source="ours", sweep="extended")
    found = found[(found["backend"] == "eager") & found["fps"].notna()].set_index("config")
    columns = ["fps", *(f"{metric}:{name}" for metric in ("psnr", "ssim") for name in SETS)]
    rows = []
    for scale in SCALES:
        ids = [id_ for id_ in added if parse_id(id_).scale == scale]
        if all(id_ in found.index for id_ in ids):
            for id_ in ids:
                values = {column: round(float(found.loc[id_, column]), 5) for column in columns}
                rows.append({"config": id_, "disturbed": bool(found.loc[id_, "disturbed"]), **values})
    print(f"{len(rows)} of {len(added)} configs")
    if not asked.quick:
        print(record("extended", {"recipe": "evening", "backend": "eager", "rows": rows}, ("torch",)))


if __name__ == "__main__":
    main()
