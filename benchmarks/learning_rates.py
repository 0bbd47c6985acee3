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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="./outgrow-store")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    sizes = list(ladder("chess"))
    tasks = [task.name for task in TASKS.values() if task.asset and task.models == "chess"]
    blocks = tuple(
        Comparison(task=task, supervisors=(sizes[0],), students=tuple(sizes), methods=("naive",)) for task in tasks
    )
    training = Training(lr="tune", tune_seeds=arguments.seeds, epochs=3)
    plan = make_plan(Study(name="learning-rates", seeds=(0,), training=training, comparisons=blocks))
    tuned = [step for step in closure(plan.targets).values() if step.kind == "tune"]
    store = Store(arguments.store)
    summary = run_graph(tuned, store=store, runtime=Runtime(jobs=arguments.jobs))
    assert summary.ok, summary.failures
    chosen: dict[str, dict[str, float]] = {size: {} for size in sizes}
    for step in tuned:
        outputs = store.get(step.key).outputs
        size, task = step.title.removeprefix("tune ").split(", ")
        chosen[size][task] = outputs["lr"]
        grid = "  ".join(
            f"{lr}: {loss:.3f} ({100 * outputs['accuracy'][lr]:.1f}%)" for lr, loss in outputs["log_loss"].items()
        )
        print(f"{task:<15}{size:>6}  {outputs['lr']:g}{' (edge)' if outputs['at_edge'] else ''}   {grid}")
    if arguments.write:
        text = json.dumps(chosen, indent=1) + "\n"
        (LADDERS / "chess" / "learning_rates.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
