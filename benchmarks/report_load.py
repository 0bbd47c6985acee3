"""How long a browser takes until a report's load event: `python benchmarks/report_load.py PAGE.html [PAGE.html ...]`.

Prints the size, the number of comparisons, and median and worst of five loads, each in a fresh context.
"""

import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

RUNS = 5
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
ROWS = "() => document.querySelectorAll('#table tr[data-comparison]').length"


def main(pages: list[Path]) -> None:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for path in pages:
            seconds = []
            for _ in range(RUNS):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                page = context.new_page()
                page.goto(path.absolute().as_uri(), wait_until="load")
                seconds.append(page.evaluate(LOADED))
                rows = page.evaluate(ROWS)
                context.close()
            size = path.stat().st_size / 1e6
            print(
                f"{path.name}: {size:.2f} MB, {rows} comparisons, load event after {statistics.median(seconds):.2f} s "
                f"(median of {RUNS}), {max(seconds):.2f} s (worst)"
            )


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
