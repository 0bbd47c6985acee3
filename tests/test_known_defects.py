"""Faults of earlier public code, as behaviour that may not come back: what is trained on which rows, and what is kept.

docs/explanation/earlier-code.md says what each was and which test holds it; the faults of losses, batches, memory and
heads have theirs beside the tests of those.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from outgrow.api import run_plan
from outgrow.dag.scheduler import run_graph
from outgrow.dag.store import Store
from outgrow.dag.work import Runtime
from outgrow.hub import Lock
from outgrow.methods import METHODS
from outgrow.plan import make_plan
from outgrow.results import Results
from outgrow.seeds import generator
from outgrow.spec import LabelFile
from outgrow.tables import read_labels
from outgrow.task_rows import rows
from outgrow.task_steps import TaskSteps

ROLES = ("weak", "result", "ceiling", "zero_shot")
LEARNING = {"epochs": 6}


def finished(study, store):
    plan = make_plan(study)
    summary = run_plan(plan, store=store)
    assert summary.ok, [failure.message for failure in summary.failures.values()]
    return Results(plan, store)


def build(steps, store):
    summary = run_graph(steps, store=store, runtime=Runtime())
    assert summary.ok, [failure.message for failure in summary.failures.values()]


def answers(cell, store, role):
    return read_labels(store.get(getattr(cell, role).key).path("test.parquet"))


def block_with(study, **changes):
    return study.model_copy(update={"comparisons": (study.comparisons[0].model_copy(update=changes),)})


@pytest.mark.parametrize("tuning", ["full", "lora", "probe"])
def test_a_model_from_the_store_says_what_it_said_when_it_was_trained(text_study, store, tuning):
    """Cached weights were never put into the model: a second run scored the untrained body under a head of zeros."""
    study = text_study(supervisors=("llama-12",), training=LEARNING | {"tuning": tuning}, rows={"supervisor": 200})
    (cell,) = finished(study, store).plan.cells
    steps = TaskSteps(study, study.comparisons[0], 0, Lock())
    again = steps.label("llama-12", cell.weak, "test")
    build([again], store)
    one, other = answers(cell, store, "weak"), read_labels(store.get(again.key).path("test.parquet"))
    assert one.ids == other.ids
    np.testing.assert_allclose(one.dense(), other.dense(), atol=1e-6)
    assert store.get(again.key).outputs["test"]["accuracy"] > 0.7
    assert store.get(cell.result.inputs["labels_student"].key).outputs["accuracy"] > 0.7


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_student_is_the_same_whatever_its_process_did_before(text_study, tmp_path, tuning):
    """A cached ceiling's weights stayed in a shared setting, and became the start of the student that came next."""
    (cell,) = make_plan(text_study(training={"tuning": tuning})).cells
    found = []
    for order in ([cell.ceiling, cell.result], [cell.result, cell.ceiling]):
        store = Store(tmp_path / str(len(found)))
        for step in order:
            build([step], store)
        found.append([answers(cell, store, role) for role in ("result", "ceiling")])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.dense(), other.dense())


def test_supervisors_and_ceilings_never_train_with_the_method_s_loss(text_study):
    """A loss meant for students was applied to the models trained on truth too, and changed both ends of the gap."""
    study = text_study(
        methods=tuple(METHODS),
        supervisors=("bert-8", "llama-12"),
        rows={"supervisor_validation": 16, "student_validation": 16},
    )
    cells = make_plan(study).cells
    assert {METHODS[cell.method].loss for cell in cells} >= {"confidence", "confidence-release", "product"}
    for cell in cells:
        for step in (cell.ceiling, *([] if cell.weak.kind == "pool" else [cell.weak])):
            found = step.spec["loss"], step.spec["loss_options"], step.spec["train"]
            splits = ["student" if step is cell.ceiling else "supervisor"]
            assert found == ("cross-entropy", {}, {"splits": splits, "labels": "truth"}), cell.method
    generative = {name for name, method in METHODS.items() if method.generative == "all"}
    for name in ("bert-8", "llama-12"):
        alike = {cell.weak.key for cell in cells if cell.supervisor == name and cell.method not in generative}
        assert len(alike) == 1


@pytest.mark.parametrize("tuning", ["full", "lora", "probe", "probe-then-full"])
def test_a_student_whose_labels_are_the_truth_is_its_ceiling(text_study, store, tmp_path, tuning):
    """Ceiling and student trained on different halves. Here nothing but labels may differ: rows, order, start."""
    study = text_study(supervisors=(LabelFile(name="oracle", path=str(tmp_path / "x.jsonl")),))
    study = study.model_copy(update={"training": study.training.model_copy(update={"tuning": tuning})})
    truths = rows(study, truth=True, store=store.root)
    lines = [json.dumps({"id": row["id"], "label": row["truth"]}) + "\n" for row in truths]
    (tmp_path / "x.jsonl").write_text("".join(lines), encoding="utf-8")
    (cell,) = finished(study, store).plan.cells
    assert cell.result.key != cell.ceiling.key
    assert store.get(cell.weak.key).outputs["test"]["accuracy"] == 1
    student, ceiling = (answers(cell, store, role) for role in ("result", "ceiling"))
    np.testing.assert_array_equal(student.dense(), ceiling.dense())


@pytest.fixture
def sorted_rows(tmp_path):
    """Return a folder whose sst2 is uneven (62% of class 1) and sorted, all of class 1 and old sentences first."""
    (tmp_path / "sorted" / "sst2").mkdir(parents=True)
    texts = [{"sentence": f"{'old' if i < 400 else 'new'} x{i}", "label": int(i < 496)} for i in range(800)]
    lines = "".join(json.dumps(row) + "\n" for row in texts)
    (tmp_path / "sorted" / "sst2" / "train.jsonl").write_text(lines, encoding="utf-8")
    return str(tmp_path / "sorted")


def test_rows_are_drawn_from_the_whole_file_and_half_are_of_each_class(text_study, store, sorted_rows):
    """The first rows of the unshuffled file were taken; and classes stood as they came: one answer for all won."""
    study = text_study(data_dir=sorted_rows, seeds=(0, 1), rows={"tune": 60})
    for split, size in (("supervisor", 64), ("student", 64), ("test", 60)):
        for seed in study.seeds:
            found = rows(study, split=split, seed=seed, truth=True, store=store.root)
            assert len(found) == size
            assert sum(row["truth"] == found[0]["truth"] for row in found) == size // 2
            old = sum(row["text"].startswith("old") for row in found)
            assert 0.2 < old / size < 0.6  # 400 of the 496 rows of class 1, and so 40% of balanced rows
    natural = rows(study, split="natural", truth=True, store=store.root)
    names = [row["truth"] for row in natural]
    assert 0.5 < max(names.count(each) for each in set(names)) / len(natural) < 0.75


def test_no_row_is_lost_to_a_tokenizer(text_study, store):
    """Texts too long for one tokenizer were dropped for that model alone: models met other rows, in test too."""
    study = text_study(supervisors=("bert-8", "llama-12"), training={"max_tokens": 8})
    results = finished(study, store)
    assert {len(row["text"].split()) > 6 for row in rows(study, split="test", store=store.root)} == {True, False}
    for cell in results.plan.cells:
        made = [getattr(cell, role) for role in ROLES if getattr(cell, role) is not None]
        assert len(made) == 4
        ids = {read_labels(store.get(step.key).path("test.parquet")).ids for step in made}
        assert ids == {tuple(row["id"] for row in rows(study, split="test", store=store.root))}
        used = {role: store.get(getattr(cell, role).key).outputs["rows_used"] for role in ROLES[:3]}
        assert used == {"weak": 64, "result": 64, "ceiling": 64}


@pytest.mark.parametrize("stop", ["last", "weak", "truth"])
def test_the_truth_of_test_rows_decides_nothing(text_study, text_world, tmp_path, stop):
    """What a run looked at while it trained, and what its settings were chosen by, were test rows."""
    rows_of_all = {"supervisor_validation": 16, "student_validation": 16, "tune": 50}
    found, truths = [], []
    for number in range(2):
        study = text_study(
            training={"stop": stop, "checks": 3, "lr": "tune", "lr_grid": (0.003, 0.01)}, rows=rows_of_all
        )
        if number:
            study = study.model_copy(
                update={"data_dir": flipped(study, text_world[1], tmp_path, Store(tmp_path / "0"))}
            )
        store = Store(tmp_path / str(number))
        (cell,) = finished(study, store).plan.cells
        found.append([answers(cell, store, role) for role in ROLES[:3]])
        truths.append(np.array(store.get(cell.source.key).outputs["test_truth"]))
    assert (truths[0] == 1 - truths[1]).all()
    for one, other in zip(*found, strict=True):
        assert one.ids == other.ids
        np.testing.assert_array_equal(one.dense(), other.dense())


def flipped(study, data_dir, tmp_path, store):
    """Return a folder like `data_dir`, where the rows that test was dealt from have the other label."""
    texts = {row["text"] for row in rows(study, split="natural", store=store.root)}
    lines = [json.loads(line) for line in (data_dir / "sst2" / "train.jsonl").read_text("utf-8").splitlines()]
    seen = {each for each in texts for line in lines if line["sentence"] in each}
    assert len(seen) == len(texts)
    (tmp_path / "flipped" / "sst2").mkdir(parents=True)
    with (tmp_path / "flipped" / "sst2" / "train.jsonl").open("w", encoding="utf-8") as file:
        for line in lines:
            hit = any(line["sentence"] in each for each in texts)
            file.write(json.dumps(line | {"label": 1 - line["label"] if hit else line["label"]}) + "\n")
    return str(tmp_path / "flipped")


def test_no_two_settings_share_what_they_made(text_study, text_world, tmp_path):
    """Results lay in folders named by a supervisor's size and by first letters: loss and rate were both "l"."""
    names = tuple(name for name, method in METHODS.items() if not {"models-between"} & set(method.requires))
    study = text_study(
        methods=names,
        supervisors=("bert-8", "llama-12"),
        students=("llama-16",),
        rows={"supervisor_validation": 16, "student_validation": 16},
    )
    cells = make_plan(study).cells
    shared = {name for name, method in METHODS.items() if method.tuning == "none" and method.shot_labels == "truth"}
    keys = [cell.result.key for cell in cells if cell.method not in shared]
    assert len(set(keys)) == len(keys)

    twin = tmp_path / "llama-12"  # another supervisor of the same size, and of the same name
    twin.mkdir()
    for file in (text_world[0] / "llama-12").iterdir():
        (twin / file.name).write_bytes(file.read_bytes())
    changed = bytearray((twin / "model.safetensors").read_bytes())
    changed[-1] ^= 1
    (twin / "model.safetensors").write_bytes(changed)
    both = [block_with(text_study(), supervisors=(str(text_world[0] / "llama-12"),)), block_with(text_study())]
    both[1] = block_with(both[1], supervisors=(str(twin),))
    one, other = (make_plan(each).cells[0] for each in both)
    assert one.ceiling.key == other.ceiling.key
    assert one.weak.key != other.weak.key
    assert one.result.key != other.result.key


def test_chance_has_no_performance_gap():
    """Where every model guesses, a PGR of 0.81 was printed. Such a figure here has no bounds, and says so."""
    from outgrow.metrics import summarize

    claims = 0
    for number in range(40):
        rng = generator(number, "chance")
        weak_SN, student_SN, ceiling_SN = rng.integers(0, 2, (3, 3, 400))
        found = summarize(
            weak_SN=weak_SN,
            student_SN=student_SN,
            ceiling_SN=ceiling_SN,
            zero_shot_N=None,
            groups_N=np.arange(400),
        )
        claims += found.pgr.bounded and ceiling_SN.mean() > weak_SN.mean()
    assert claims <= 3  # of 40, at 95%


def test_a_seed_whose_ceiling_is_below_its_supervisor_counts():
    """Runs were left out where the ceiling happened to be no better: what remained was selected on noise."""
    from outgrow.metrics import pgr_interval

    hits = {"weak": (10, 14), "student": (14, 14), "ceiling": (20, 12)}  # of 20 rows, two seeds
    correct = {f"{name}_SN": [[1] * n + [0] * (20 - n) for n in each] for name, each in hits.items()}
    found = pgr_interval(**correct, groups_N=range(20))
    assert found.pgr == pytest.approx((14 - 12) / (16 - 12))  # the first seed alone would give 0.4


def test_a_model_folder_s_own_code_is_not_run(text_study, text_world, tmp_path, store):
    """Every tokenizer was loaded with leave to run code that came with it."""
    folder, sign = tmp_path / "models" / "llama-16", tmp_path / "was-run"
    folder.mkdir(parents=True)
    for file in (text_world[0] / "llama-16").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "own.py").write_text(f"open({str(sign)!r}, 'w').close()\nclass Own: ...\n", encoding="utf-8")
    for name, table in (("config.json", "AutoConfig AutoModel AutoModelForCausalLM"), ("tokenizer_config.json", "")):
        content = json.loads((folder / name).read_text("utf-8"))
        pair = {"AutoTokenizer": ["own.Own", "own.Own"]} if not table else dict.fromkeys(table.split(), "own.Own")
        (folder / name).write_text(json.dumps(content | {"auto_map": pair}), encoding="utf-8")
    study = block_with(text_study(), supervisors=(str(folder),), students=(str(folder),))
    run_plan(make_plan(study), store=store)
    assert not sign.exists()


def test_the_first_step_moves_the_body_too(text_world):
    """Under a head of zeros no gradient reaches the body, and the start is a guess; answer tokens give both."""
    from outgrow.examples import Examples, Labels
    from outgrow.models.heads import load_scorer, load_tokenizer
    from outgrow.training.batches import encode
    from outgrow.training.finetune import Schedule, finetune
    from outgrow.training.losses import LOSSES, Moment

    folder, ids = text_world[0] / "llama-16", tuple("abcdefgh")
    examples = Examples(ids, ids, ("lovely a", "dull b", "cold c", "warm d") * 2, np.arange(8) % 2)
    moved = {}
    for words in (("0", "1"), ()):
        scorer = load_scorer(folder, head="class", options=("no", "yes"), verbalizer=words)
        before = {name: each.clone() for name, each in scorer.state_dict().items()}
        finetune(
            scorer,
            encode(load_tokenizer(folder), examples, head="class", limit=16),
            Labels.from_truth(examples, 2),
            schedule=Schedule(steps=1, batch=8, lr=0.01, weight_decay=0.0, warmup=0.0),
            loss=LOSSES["cross-entropy"],
            loss_options={},
            moment=Moment(0.0, shared=True),
            rng=np.random.default_rng(0),
        )
        moved[words] = {
            name.split(".")[0] for name, each in scorer.state_dict().items() if not each.equal(before[name])
        }
    assert moved == {("0", "1"): {"backbone", "head"}, (): {"head"}}


def test_models_start_from_their_answer_tokens_unless_told_otherwise(text_study):
    """The paper's start, not a head of zeros, is what a study that says nothing gets."""
    cell = make_plan(text_study()).cells[0]
    assert {cell.weak.spec["training"]["head"], cell.result.spec["training"]["head"]} == {"unembedding"}
    assert cell.zero_shot is not None
    assert make_plan(text_study(training={"head": "zero"})).cells[0].zero_shot is None


def test_the_page_about_earlier_code_names_tests_that_exist():
    tests = Path(__file__).parent
    page = (tests.parent / "docs" / "explanation" / "earlier-code.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 50
    found = {
        name
        for path in tests.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)
    }
    assert named <= found, named - found
    numbers = {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.M)}
    assert numbers == set(range(1, 23))
