"""Free text as a label: what a model writes, against the token head and against what it was told."""

import json

import numpy as np
import pytest
from pydantic import ValidationError
from tests.running import finished
from transformers import AutoModelForCausalLM

from outgrow.api import run_plan
from outgrow.chess.encoding import move_words
from outgrow.dag.store import Store
from outgrow.errors import StepError, UsageError
from outgrow.free_text import TextLabels
from outgrow.methods import METHODS, check_method, find_method
from outgrow.models.catalog import find_model, ladder
from outgrow.models.heads import load_scorer, load_tokenizer
from outgrow.plan import make_plan
from outgrow.spec import OwnTask
from outgrow.steps.scored import scored_texts
from outgrow.tables import read_examples, read_texts, write_examples
from outgrow.tasks import ASSETS, TASKS, find_task
from outgrow.tasks.chess import read_puzzle_texts
from outgrow.training.batches import encode
from outgrow.training.generation import as_completion, generate
from outgrow.training.inference import predict

TASK = TASKS["chess-puzzle-text"]
WRITABLE = {
    "naive",
    "naive-hard",
    "bootstrapping",
    "bootstrapping-control",
    "bootstrapping-hard",
    "bootstrapping-control-hard",
    "lora",
    "ema",
    "weight-decay",
    "dropout",
    "generative",
    "generative-all",
}


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("texts") / "store")


@pytest.fixture
def sentences(text_world, tmp_path):
    """Return the part of a study that declares a task of free text: good words ask for two words, bad ones for others.

    The tiny tokenizer has no token that ends a text, so answers are as long as what may be written.
    """
    lines = (text_world[1] / "sst2" / "train.jsonl").read_text().splitlines()
    rows = [each | {"mood": ("no no", "yes :")[each["label"]]} for each in map(json.loads, lines)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return OwnTask(
        name="moods", files=(str(tmp_path / "rows.jsonl"),), text="{sentence}", label="mood", max_new_tokens=2
    )


@pytest.fixture
def moods(text_study, sentences):
    """Return a function that makes a study of that task."""

    def make(**changes):
        return text_study("moods", **{"supervisors": ("llama-12",), "tasks": (sentences,), **changes})

    return make


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_model_learns_to_write_what_it_is_told(moods, shared_store, tuning):
    results = finished(moods(training={"tuning": tuning, "epochs": 8}, rows={"student": 200}), shared_store)
    (row,) = results.table()
    assert row["ceiling"] > 0.75
    assert row["zero_shot"] < 0.1
    (cell,) = results.cells
    columns = results.predictions(cell)
    assert set(columns["truth"]) == {"no no", "yes :"}
    right = [mine == true for mine, true in zip(columns["ceiling"], columns["truth"], strict=True)]
    assert np.mean(right) == pytest.approx(row["ceiling"])
    assert columns["ceiling_probabilities"][0] == {columns["ceiling"][0]: 1.0}
    outputs = results.cell("moods", "llama-12", "llama-16", "naive", 0)
    weak = shared_store.get(cell.result.inputs["labels_student"].key)
    assert outputs["result"]["label_accuracy"] == weak.outputs["accuracy"]
    assert outputs["ceiling"]["label_accuracy"] == 1
    same = np.mean([mine == weak for mine, weak in zip(columns["student"], columns["weak"], strict=True)])
    assert row["agreement"] == pytest.approx(same)


def test_every_method_that_needs_no_probabilities_ends_in_a_comparison(moods, shared_store):
    study = moods(methods=tuple(sorted(WRITABLE)), supervisors=("llama-12",), students=("llama-16",))
    results = finished(study, shared_store)
    assert {each.method for each in results.comparisons} >= {name for name in WRITABLE if "boot" not in name}
    keys = {cell.method: cell.result.key for cell in results.cells}
    assert keys["naive"] == keys["naive-hard"]


@pytest.mark.parametrize("name", sorted(set(METHODS) - WRITABLE))
def test_a_method_that_needs_more_than_a_text_is_refused_by_name(name):
    with pytest.raises(UsageError, match=name):
        check_method(find_method(name), TASK, num_supervisors=2)


@pytest.mark.parametrize("name", sorted(WRITABLE))
def test_other_methods_are_not_refused(name):
    check_method(find_method(name), TASK)


@pytest.mark.parametrize(
    "training", [{"tuning": "probe"}, {"tuning": "probe-then-full"}, {"stop": "weak"}, {"curve": 2}]
)
def test_what_chooses_among_options_is_refused_when_the_study_is_planned(moods, training):
    with pytest.raises(UsageError, match="free text"):
        make_plan(moods(training=training, rows={"supervisor_validation": 16, "student_validation": 16}))


def test_an_encoder_writes_nothing(moods):
    with pytest.raises(UsageError, match="bert-8 is an encoder"):
        make_plan(moods(supervisors=("bert-8",)))


def test_a_supervisor_s_texts_from_a_file_make_the_same_student(moods, shared_store, tmp_path):
    own = finished(moods(), shared_store).plan.cells[0]
    parts = (own.result.inputs["labels_student"], "labels.parquet"), (own.weak, "test.parquet")
    path = tmp_path / "labels.jsonl"
    with path.open("w") as file:
        for step, name in parts:
            texts = read_texts(shared_store.get(step.key).path(name))
            file.writelines(
                json.dumps({"id": each, "label": f" {text} "}) + "\n"
                for each, text in zip(texts.ids, texts.texts, strict=True)
            )
    results = finished(moods(supervisors=({"name": "people", "path": str(path)},)), shared_store)
    (other,) = results.plan.cells
    first, second = (shared_store.get(cell.result.key).outputs for cell in (own, other))
    assert first == second
    path.write_text('{"id": "x", "label": 3}\n')
    summary = run_plan(make_plan(moods(supervisors=({"name": "people", "path": str(path)},))), store=shared_store)
    assert any("row 1: it needs an id and a label that is a text" in each.message for each in summary.failures.values())


def test_rows_of_free_text_survive_a_file_and_blank_ones_are_left_out(sentences, tmp_path):
    rows = [{"sentence": f"x{i} a", "mood": mood} for i, mood in enumerate(["b c", " b c ", "", "d"])]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = find_task("moods", [sentences]).rows()
    assert read.skipped == {"rows without a label": 1}
    write_examples(tmp_path / "x", read.every)
    back = read_examples(tmp_path / "x")
    assert [text.strip() for text in back.answers] == ["b c", "b c", "d"]
    assert back.truth_N.tolist() == read.every.truth_N.tolist()
    assert len(set(back.truth_N.tolist())) == 2
    assert back.take(back.ids[1:]).answers == back.answers[1:]


def test_a_task_of_free_text_has_no_classes():
    with pytest.raises(ValidationError, match="free text"):
        OwnTask(name="x", files=("f",), text="{a}", label="b", classes=("c", "d"), max_new_tokens=3)
    plain = OwnTask(name="x", files=("f",), text="{a}", label="b", classes=("c", "d")).plain()
    assert "max_new_tokens" not in plain  # what older studies computed is found


SHIPPED = [pytest.param(size, id=size) for size in ladder("chess")]


@pytest.mark.parametrize("size", [*SHIPPED, "tiny-8", "tiny-16"])
def test_what_an_untuned_model_writes_is_the_token_head_s_first_choice_wherever_it_is_a_move(
    request, tiny_models, tiny_tasks, size
):
    """Writing chooses among all words, the token head among moves: where the first of all words is one, they agree.

    Where it is none, the answer is wrong: the zero-shot accuracies differ by the rows whose first move is right but
    not the first of all words.
    """
    tiny = size.startswith("tiny")
    folder = tiny_models / "chess" / size if tiny else find_model(size, "chess").folder
    read = read_puzzle_texts(tiny_tasks["chess-puzzle"] if tiny else ASSETS / TASK.asset)
    rows = read.take(read.ids[:300])
    writer, chooser = load_scorer(folder, head="completion"), load_scorer(folder, head="token", options=move_words())
    tokenizer = load_tokenizer(folder)
    texts = generate(writer, tokenizer, rows.texts, limit=writer.limit(512), max_new_tokens=TASK.max_new_tokens)
    inputs = encode(tokenizer, rows, head="token", limit=chooser.limit(512))
    chosen = [move_words()[option] for option in predict(chooser, inputs).argmax(1)]
    is_move_N = np.array([text in set(move_words()) for text in texts])
    assert is_move_N.any()
    assert [t for t, is_move in zip(texts, is_move_N, strict=True) if is_move] == [
        c for c, is_move in zip(chosen, is_move_N, strict=True) if is_move
    ]
    found = scored_texts(TASK, TextLabels.of(rows.ids, texts), rows)
    right_N = np.array([c == answer for c, answer in zip(chosen, rows.answers, strict=True)])
    assert found["accuracy"] == (right_N & is_move_N).mean()
    assert found["not_a_move"] == pytest.approx(1 - is_move_N.mean())
    assert 0 <= right_N.mean() - found["accuracy"] <= found["not_a_move"]
    if not tiny:  # trained on games: it writes moves
        assert found["not_a_move"] < 0.01


@pytest.mark.parametrize("end", [None, "yes", "a"])
def test_greedy_answers_are_those_of_the_library_s_own_generation(text_world, tmp_path, end):
    folder = text_world[0] / "llama-16"
    model, tokenizer, scorer = (
        AutoModelForCausalLM.from_pretrained(folder),
        load_tokenizer(folder),
        load_scorer(folder, head="completion"),
    )
    if end:
        tokenizer.eos_token = end
    prompts = ["lovely a b", "dull", "h g f e d c b a warm", "a", "0 1 0 1"]
    for packed in (False, True):
        mine = generate(scorer, tokenizer, prompts, limit=64, max_new_tokens=6, packed=packed)
        for prompt, text in zip(prompts, mine, strict=True):
            ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
            eos = tokenizer.eos_token_id
            whole = model.generate(ids, max_new_tokens=6, do_sample=False, eos_token_id=eos, pad_token_id=3)
            assert text == tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True).strip()


def test_what_does_not_fit_loses_its_beginning(text_world):
    folder = text_world[0] / "llama-16"
    scorer, tokenizer = load_scorer(folder, head="completion"), load_tokenizer(folder)
    long, short = ("a b c d lovely warm e f", "warm e f")
    cut, whole = (
        generate(scorer, tokenizer, [text], limit=limit, max_new_tokens=2) for text, limit in ((long, 4), (short, 64))
    )
    assert cut == whole
    with pytest.raises(StepError, match="do not fit"):
        generate(scorer, tokenizer, [long], limit=3, max_new_tokens=4)


def test_an_answer_is_learned_with_what_ends_it(text_world):
    tokenizer = load_tokenizer(text_world[0] / "llama-16")
    assert as_completion(tokenizer, " b c ") == " b c"  # this one knows no line break and no end of text
    tokenizer.eos_token = "yes"
    assert as_completion(tokenizer, "b c") == " b cyes"
