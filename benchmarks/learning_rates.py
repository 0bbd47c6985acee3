"""Choose the shipped learning rates of the chess ladder, on `tune` rows only: no test row is read.

    python benchmarks/learning_rates.py [--store DIR] [--jobs 2] [--seeds 5] [--write]

With --write the choice is frozen into the ladder's learning_rates.json.
"""

import argparse
import json

from outgrow.dag.scheduler import run_graph
from outgrow.dag.step import closure
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime
from outgrow.models.catalog import LADDERS, ladder
from outgrow.plan import make_plan
from outgrow.spec import Comparison, Study, Training
from outgrow.tasks import TASKS

COMPLETION = "completion"


def scored(task: str) -> bool:
    """Whether the options of a task are texts, which the completion head can score."""
    return TASKS[task].head == "reward"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="./outgrow-store")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--tasks", nargs="*", help="only these; the rates of others stay as they are")
    arguments = parser.parse_args()
    sizes = list(ladder("chess"))
    shipped = [task.name for task in TASKS.values() if task.asset and task.models == "chess"]
    tasks = arguments.tasks or shipped
    training = Training(lr="tune", tune_seeds=arguments.seeds, epochs=3)
    heads = [(task, "", training) for task in tasks]
    heads += [(task, COMPLETION, training.model_copy(update={"head": COMPLETION})) for task in tasks if scored(task)]
    blocks = tuple(
        Comparison(
            task=task, label=label, training=chosen, supervisors=(sizes[0],), students=tuple(sizes), methods=("naive",)
        )
        for task, label, chosen in heads
    )
    plan = make_plan(Study(name="learning-rates", seeds=(0,), training=training, comparisons=blocks))
    tuned = [step for step in closure(plan.targets).values() if step.kind == "tune"]
    store = Store(arguments.store)
    summary = run_graph(tuned, store=store, runtime=Runtime(jobs=arguments.jobs))
    assert summary.ok, summary.failures
    path = LADDERS / "chess" / "learning_rates.json"
    chosen: dict[str, dict[str, float]] = {size: {} for size in sizes} | json.loads(path.read_text(encoding="utf-8"))
    for step in tuned:
        outputs = store.get(step.key).outputs
        size, task = step.title.removeprefix("tune ").split(", ")
        if next(iter(step.inputs.values())).spec["training"]["head"] == COMPLETION:
            task += f", {COMPLETION}"
        chosen[size][task] = outputs["lr"]
        grid = "  ".join(
            f"{lr}: {loss:.3f} ({100 * outputs['accuracy'][lr]:.1f}%)" for lr, loss in outputs["log_loss"].items()
        )
        print(f"{task:<30}{size:>6}  {outputs['lr']:g}{' (edge)' if outputs['at_edge'] else ''}   {grid}")
    if arguments.write:
        text = json.dumps(chosen, indent=1) + "\n"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
