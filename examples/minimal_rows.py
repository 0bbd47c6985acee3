"""Write rows for `minimal.py`: the shipped task chess-blunder as text, a group of rows never in two splits.

python examples/minimal_rows.py [rows a split] > rows.jsonl
"""

import json
import sys

from outgrow.examples import cut, seeded_order
from outgrow.tasks import find_task

task = find_task("chess-blunder")
examples = task.rows().examples
size = int(sys.argv[1]) if len(sys.argv) > 1 else 500
order = seeded_order(examples.groups, seed=0, purpose=task.name)
splits = cut(examples, dict.fromkeys(("supervisor", "student", "test"), size), order=order, balanced_classes=2)
for split, ids in splits.items():
    rows = examples.take(ids)
    for text, truth in zip(rows.texts, rows.truth_N, strict=True):
        print(json.dumps({"text": text, "truth": int(truth), "split": split}))
