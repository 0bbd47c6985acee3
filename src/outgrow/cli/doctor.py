"""`outgrow doctor`: what is installed, what is missing, and what to type."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from rich.text import Text

from outgrow.cli import DONE, FAILED
from outgrow.cli.output import console, print_json, table
from outgrow.cli.running import usable_cores
from outgrow.models.catalog import ladder
from outgrow.numerals import size
from outgrow.tasks import ASSETS, TASKS

PACKAGES = ("transformers", "safetensors", "pyarrow", "numpy", "scipy", "pydantic", "chess")
ROOM = 2_000_000_000
"""Bytes that a store should have free."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 3.0
"""Seconds that the hub may take to answer."""
STYLES = {"good": "green", "note": "yellow", "missing": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `missing`: studies cannot run without it; `note`: only some uses suffer."""

    what: str
    state: Literal["good", "note", "missing"]
    found: str
    remedy: str = ""


def show_health(*, store: Path, as_json: bool) -> int:
    """Print every finding; return the exit code: 1 if studies cannot run."""
    found = list(findings(store))
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        rows = table("", "", "")
        rows.show_header = False
        for each in found:
            text = each.found + (f"\n{each.remedy}" if each.remedy else "")
            rows.add_row(each.what, Text(each.state, style=STYLES[each.state]), text)
        out = console()
        out.print(rows)
        ready = not any(each.state == "missing" for each in found)
        out.print("\nReady: outgrow run" if ready else "\nNot ready: see what is missing above.")
    return FAILED if any(each.state == "missing" for each in found) else DONE


def findings(store: Path) -> Iterator[Finding]:
    """Yield what was looked at, what it is like, and what to do where it is not good."""
    yield Finding("Python", "good", platform.python_version())
    yield _torch()
    yield from map(_package, PACKAGES)
    yield _stockfish()
    yield Finding("cores", "good", f"{usable_cores()} usable")
    yield from _memory()
    yield _disk(store)
    yield from _assets()
    yield _kaleido()
    yield _browser()
    yield _hub()


def _torch() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("torch", "missing", str(error), "pip install torch")
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    hint = ": outgrow run --device cuda uses it" if torch.cuda.is_available() else ""
    return Finding("torch", "good", f"{torch.__version__}, {torch.get_num_threads()} threads, {gpu}{hint}")


def _package(name: str) -> Finding:
    try:
        return Finding(name, "good", version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", "not installed", f"pip install {name}")


def _stockfish() -> Finding:
    from outgrow.chess.engine import EngineMissingError, find_stockfish

    try:
        return Finding("Stockfish", "good", find_stockfish())
    except EngineMissingError:
        remedy = "apt-get install stockfish (or brew install stockfish)"
        return Finding("Stockfish", "note", "not installed; only outgrow ladder needs it", remedy)


def _kaleido() -> Finding:
    try:
        return Finding("kaleido", "good", version("kaleido"))
    except PackageNotFoundError:
        told = "not installed; only figures as files need it (outgrow report --figures)"
        return Finding("kaleido", "note", told, "pip install 'outgrow[figures]'")


def _browser() -> Finding:
    named = os.environ.get("BROWSER_PATH", "")
    found = named if Path(named).is_file() else next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return Finding("Chromium", "good", found)
    told = "not found; only figures as files need it (outgrow report --figures)"
    return Finding("Chromium", "note", told, "install Chromium or Chrome, or name it in BROWSER_PATH")


def _hub() -> Finding:
    import urllib.request
    from urllib.parse import urlsplit

    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    needed = "only tasks and models that come from it need it, and what was fetched before stays usable"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Finding("hub", "note", f"not asked, as HF_HUB_OFFLINE is set; {needed}")
    try:
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return Finding("hub", "good", f"{urlsplit(address).netloc} answers")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding("hub", "note", f"{urlsplit(address).netloc} cannot be reached ({reason}); {needed}")


def _memory() -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux: nothing depends on it
        return
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    yield Finding("memory", "good", f"{size(1024 * kib['MemAvailable'])} free of {size(1024 * kib['MemTotal'])}")


def _disk(store: Path) -> Finding:
    place = store.expanduser().absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{size(free)} free for the store at {store}"
    if free < ROOM:
        return Finding("disk", "note", found, "choose a roomier place with --store DIR")
    return Finding("disk", "good", found)


def _assets() -> Iterator[Finding]:
    sizes = ladder("chess")
    if sizes:
        yield Finding("chess ladder", "good", ", ".join(sizes))
    else:
        yield Finding("chess ladder", "missing", "not installed", "pip install --force-reinstall outgrow")
    for task in TASKS.values():
        if not task.asset:
            continue
        try:
            yield Finding(task.name, "good", size((ASSETS / task.asset).stat().st_size))
        except OSError:
            told = f"the task {task.name} has no file {ASSETS / task.asset}"
            yield Finding(task.name, "missing", told, "pip install --force-reinstall outgrow")
