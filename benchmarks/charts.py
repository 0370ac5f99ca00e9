"""How long each chart, the table and the report take to draw for 1,185 and for 100,000 results, and the page to open.

Results are those of ``store_load.py``: the paper's configs (seed after seed at 100,000), ten values each, speeds on
three devices. Seconds are in one process with its imports done: reading the store, and drawing to PNG. ``page_s`` is
from asking a headless Chromium for the report until its points are drawn.

    python benchmarks/charts.py            # writes benchmarks/results/charts.json
    python benchmarks/charts.py --quick    # 1,185 only
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _record

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.store_load import fill

SIZES = (1_185, 100_000)


def timed(task: Callable[[], Any], repeats: int) -> float:
    """Median seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        task()
        times.append(time.perf_counter() - began)
    return round(sorted(times)[len(times) // 2], 3)


def page_seconds(page: Path, repeats: int = 3) -> float | None:
    """Seconds until the report's points are on the screen; None without a Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        return None
    from playwright.sync_api import sync_playwright

    def opened(browser: Any) -> None:
        tab = browser.new_page(viewport={"width": 1300, "height": 1000})
        tab.goto(page.as_uri())
        tab.wait_for_selector("#chart .scatterlayer path.point")
        tab.close()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        seconds = timed(lambda: opened(browser), repeats)
        browser.close()
    return seconds


def measure(trials: int) -> dict[str, Any]:
    """One row of the result."""
    from analysis.kinds import figure
    from analysis.reading.selection import Selection
    from analysis.report.content import content
    from analysis.report.page import render
    from analysis.report.samples import Samples
    from results_db.store import Store

    repeats = 3 if trials < 10_000 else 1
    row: dict[str, Any] = {"results": trials}
    with tempfile.TemporaryDirectory() as folder:
        fill(f"{folder}/s.db", trials)
        with Store.open(f"{folder}/s.db", readonly=True) as store:
            asks = {
                "pareto": Selection(device="AGX", metric="psnr:BSDS100"),
                "devices": Selection(),
                "growth": Selection(device="AGX", metric="psnr:BSDS100"),
            }
            figure("pareto", store, asks["pareto"])  # imports
            for kind, ask in asks.items():
                row[f"{kind}_s"] = timed(
                    lambda kind=kind, ask=ask: figure(kind, store, ask).savefig(io.BytesIO(), format="png"),  # type: ignore[misc]
                    repeats,
                )
            report = Path(folder) / "report.html"
            row["report_s"] = timed(
                lambda: report.write_text(render(content(store, samples=Samples(0))), encoding="utf-8"), repeats
            )
            row["report_mib"] = round(report.stat().st_size / 2**20, 1)
            row["page_s"] = page_seconds(report)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    rows = [measure(size) for size in (SIZES[:1] if asked.quick else SIZES)]
    for row in rows:
        print(row)
    path = _record.record("charts", {"devices": 3, "rows": rows}, ("matplotlib", "plotly", "pandas", "playwright"))
    print(path)


if __name__ == "__main__":
    main()
