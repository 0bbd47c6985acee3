"""Step: the labels of several supervisors as one set."""

from typing import Any

from outgrow.dag.store import Artefact
from outgrow.dag.work import Context
from outgrow.examples import Labels
from outgrow.pooling import POOLS
from outgrow.steps.scored import scored
from outgrow.tables import read_examples, read_labels, write_labels
from outgrow.tasks import task_of


def pool(context: Context) -> dict[str, Any]:
    """Combine the inputs `member_...` by the spec's rule; on the split test also score what comes out."""
    spec, source = context.spec, context.inputs["task"]
    members = [_labels(each, spec["split"]) for name, each in sorted(context.inputs.items()) if name != "task"]
    if spec["split"] != "test":
        labels = POOLS[spec["rule"]]([each.take(members[0].ids) for each in members])
        write_labels(context.folder / "labels.parquet", labels)
        return {"rows": len(labels)}
    examples = read_examples(source.path("test.parquet"))
    labels = POOLS[spec["rule"]]([each.take(examples.ids) for each in members])
    write_labels(context.folder / "test.parquet", labels)
    return {"test": scored(task_of(spec), labels, examples)}


def _labels(member: Artefact, split: str) -> Labels:
    made = "test.parquet" if split == "test" and member.has("test.parquet") else "labels.parquet"
    return read_labels(member.path(made))
