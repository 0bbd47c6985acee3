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
    testing = spec["split"] == "test"
    examples = read_examples(source.path("test.parquet" if testing else "pool.parquet"))
    rows = examples if testing else examples.take(members[0].ids)
    parts = [each.take(rows.ids) for each in members]
    labels = POOLS[spec["rule"]](parts, rank_NK=rows.ranks(parts[0].num_options))
    write_labels(context.folder / f"{'test' if testing else 'labels'}.parquet", labels)
    return {"test": scored(task_of(spec), labels, rows)} if testing else {"rows": len(labels)}


def _labels(member: Artefact, split: str) -> Labels:
    made = "test.parquet" if split == "test" and member.has("test.parquet") else "labels.parquet"
    return read_labels(member.path(made))
