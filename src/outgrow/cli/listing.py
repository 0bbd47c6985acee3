"""`outgrow studies`, `tasks`, `models`, `methods`: what there is, as a table or as JSON."""

from typing import Any

from rich.text import Text

from outgrow.cli.output import console, print_json, table
from outgrow.methods import METHODS
from outgrow.models.catalog import LADDERS, ladder
from outgrow.numerals import percent, short_number
from outgrow.study_file import built_in_studies, load_study
from outgrow.tasks import ASSETS, TASKS, Task


def show_studies(*, as_json: bool) -> None:
    """Print the built-in studies."""
    studies = [load_study(name) for name in built_in_studies()]
    if as_json:
        print_json([study.plain() for study in studies])
        return
    rows = table("study", "about", "seeds", right=("seeds",))
    for study in studies:
        rows.add_row(study.name, study.about, str(len(study.seeds)))
    out = console()
    out.print(rows)
    out.print("\nA study of your own is a YAML file like these: outgrow run my-study.yaml")


def show_tasks(*, as_json: bool) -> None:
    """Print the tasks, with the rows of those that are shipped."""
    tasks = [_task(task) for task in TASKS.values()]
    if as_json:
        print_json(tasks)
        return
    rows = table("task", "about", "options", "head", "rows", right=("options", "rows"))
    for task in tasks:
        name = task["name"] if task["verified"] else f"{task['name']} *"
        options = f"{task['options']:,}" if task["options"] else "text"
        rows.add_row(name, task["about"], options, task["head"], _rows_told(task))
    out = console()
    out.print(rows)
    out.print(
        "\n* unverified: written from the set's documentation, never tried on its real rows.\n"
        "Rows: how many are shipped; hub: fetched when first used, or read from data_dir. --json tells more.\n"
        "Tasks of your own need no code: rows from files and a few lines of the study (docs/howto/own-data.md)."
    )


def _rows_told(task: dict[str, Any]) -> str:
    if task["shipped"]:
        return "missing" if task["rows"] is None else f"{task['rows']:,}"
    return "hub" if "/" in task["source"].partition(" ")[0] else "own file"


def _task(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "family": task.family,
        "about": task.about,
        "head": task.head,
        "options": task.num_options,
        "kind": "shared" if task.shared else "exchangeable",
        "balanced": task.balanced,
        "verified": task.verified,
        "source": task.source,
        "shipped": bool(task.asset),
        "rows": _rows(task),
    }


def _rows(task: Task) -> int | None:
    path = ASSETS / task.asset
    if not task.asset or not path.is_file():
        return None
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def show_models(*, as_json: bool) -> None:
    """Print the models of every shipped ladder."""
    names = sorted(path.name for path in LADDERS.glob("*") if path.is_dir())
    models = [_model(name, size, each.card) for name in names for size, each in ladder(name).items()]
    if as_json:
        print_json(models)
        return
    out = console()
    if not models:
        out.print("No ladder is installed. To make it (takes hours): outgrow ladder chess")
        return
    rows = table(
        "model", "ladder", "parameters", "positions", "accuracy", right=("parameters", "positions", "accuracy")
    )
    for model in models:
        counts = (short_number(model[name]) if model[name] else "" for name in ("parameters", "positions"))
        accuracy = percent(model["accuracy"]) if model["accuracy"] is not None else ""
        rows.add_row(model["name"], model["ladder"], *counts, accuracy)
    out.print(rows)
    out.print(
        "\nParameters without embeddings; positions seen in pretraining; accuracy in percent on the moves played in "
        "held-out games. A study may also name any causal language model or encoder of Hugging Face: a folder, or its "
        "name on the hub."
    )


def _model(ladder_name: str, size: str, card: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": size,
        "ladder": ladder_name,
        "parameters": card.get("parameters"),
        "positions": card.get("positions"),
        "accuracy": card.get("held_out", {}).get("accuracy"),
        "learning_rates": card.get("learning_rates", {}),
        "sha256": card.get("sha256"),
    }


def show_methods(*, as_json: bool) -> None:
    """Print the methods."""
    if as_json:
        names = ("name", "about", "source", "labels", "loss", "control", "requires")
        print_json([{name: getattr(method, name) for name in names} for method in METHODS.values()])
        return
    rows = table("method", "about")
    for method in METHODS.values():
        needs = f" Needs {' and '.join(each.replace('-', ' ') for each in method.requires)}." if method.requires else ""
        rows.add_row(method.name, Text.assemble(method.about + needs, (f"\n{method.source}", "dim")))
    console().print(rows)
