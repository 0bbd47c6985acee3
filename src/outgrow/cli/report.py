"""`outgrow report`: a study's page, its figures and its table as files. `outgrow run` writes the page at its end."""

from collections.abc import Sequence
from pathlib import Path

from outgrow.cli.output import console, shown
from outgrow.dag.store import DamagedArtefactError, Store
from outgrow.numerals import plural, size
from outgrow.plan import plan_of
from outgrow.results import Results


def write_files(
    source: str, overrides: Sequence[str], *, store: Path, out: Path | None, figures: Path | None, table: Path | None
) -> None:
    """Write what is asked for, from what the store has, and print where it lies; the page where nothing is named."""
    results = Results(plan_of(source, overrides), Store(store))
    if out is not None or (figures is None and table is None):
        say_where(write_page(results, out))
    if table is not None:
        from outgrow.report import write_table

        _say("Table: ", write_table(results, table))
    if figures is not None:
        from outgrow.report import write_figures

        paths = write_figures(results, figures)
        console().print(f"Figures: {shown(figures.expanduser())}, {plural(len(paths), 'file')}", soft_wrap=True)


def write_page(results: Results, path: Path | None = None) -> Path:
    """Write the page, into the store where no path is given, and return its path.

    An artefact that turns out damaged is moved out of the way before the error goes on, so that a run builds it anew.
    """
    from outgrow.report import write_report

    try:
        return write_report(results, path or page_path(results))
    except DamagedArtefactError as error:
        with results.store.claim(error.key) as mine:
            if mine:
                results.store.quarantine(error.key)
        raise


def page_path(results: Results) -> Path:
    """Return where the page of a study lies, unless another place is named."""
    return results.store.root / "reports" / f"{results.plan.study.name}.html"


def say_where(path: Path) -> None:
    """Print the path of the page."""
    _say("Report: ", path)


def _say(what: str, path: Path) -> None:
    console().print(f"{what} {shown(path)}  ({size(path.stat().st_size)})", soft_wrap=True)
