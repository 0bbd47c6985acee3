"""Whatever is wrong with the input: one message that names the thing and the remedy, the right exit code, no traceback.

Each row of `TABLE` is one kind of bad input. Exit code 2: the input cannot be used; 1: a run failed.
"""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from outgrow.cli import call
from outgrow.dag.canonical import digest
from outgrow.dag.store import Store
from outgrow.models.catalog import find_model, ladder
from outgrow.plan import make_plan
from outgrow.study_file import load_study
from outgrow.tasks import find_task

SMALL, *_, LARGE = ladder("chess")
ROWS = {"supervisor": 16, "student": 16, "link": 16, "test": 20, "tune": 0}
HEADER = "PuzzleId,FEN,Moves,Rating,GameUrl\n"
PUZZLE = "{id},r6k/pp2r2p/4Rp1Q/3p4/8/1N1P2R1/PqP2bPP/7K b - - 0 24,f2g3 e6e7 b2b1 b3c1 b1c1 h6c1,2000,\n"


@dataclass(frozen=True)
class Case:
    """One kind of bad input: its arguments, made in a folder, and what must be told."""

    name: str
    make: Callable[[Path], list[str]]
    code: int
    told: tuple[str, ...]


def study(folder: Path, *, block=None, **changes) -> str:
    """Write a study that is right but for the changes; return its path."""
    one = {"task": "chess-blunder", "supervisors": [SMALL], "students": [SMALL], "methods": ["naive"]}
    whole = {"name": "bad", "seeds": [0], "rows": ROWS, "training": {"epochs": 1, "batch": 8, "lr": 0.001}}
    whole |= {"comparisons": [one | (block or {})]} | changes
    path = folder / "bad.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in whole.items() if value is not None}))
    return str(path)


def planned(name, /, *told, block=None, **changes):
    """Return the case of a study that cannot be planned."""
    return Case(name, lambda folder: ["plan", study(folder, block=block, **changes)], 2, told)


def text(name, content, *told):
    """Return the case of a study file with this content."""

    def make(folder):
        path = folder / "bad.yaml"
        path.write_bytes(content)
        return ["plan", str(path)]

    return Case(name, make, 2, told)


def arguments(name, *words, told, code=2):
    """Return the case of a command line; {study} stands for a study that is right."""
    return Case(name, lambda folder: [word.format(study=study(folder), folder=folder) for word in words], code, told)


def csv(name, content, *told, code=1, file="bad.csv", **rows):
    """Return the case of a lichess puzzle file with this content."""

    def make(folder):
        path = folder / file
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        block = {"task": "lichess-puzzle", "data": str(path), "methods": ["naive-hard"]}
        return ["run", study(folder, block=block, rows=ROWS | rows)]

    return Case(name, make, code, told)


def labels(name, change, *told, file="labels.jsonl"):
    """Return the case of a label file: `change` gets rows that are right and the path to write to."""

    def make(folder):
        examples = find_task("chess-blunder").rows().examples
        right = [{"id": each, "label": "good"} for each in examples.ids]
        path = folder / file
        change(right, path)
        return ["run", study(folder, block={"supervisors": [{"name": "people", "path": str(path)}]})]

    return Case(name, make, 1, told)


def changed_row(**change):
    """Return a change of the third row of a label file."""

    def write(rows, path):
        rows[2] = {name: value for name, value in (rows[2] | change).items() if value is not None}
        path.write_text("\n".join(map(json.dumps, rows)))

    return write


def model(name, change, *told, code=1, block=None):
    """Return the case of a folder with a checkpoint: `change` spoils a copy of a good one."""

    def make(folder):
        place = folder / "model"
        shutil.copytree(find_model(SMALL, "chess").folder, place)
        change(place)
        block_of = {"supervisors": [str(place)], "students": [str(place)]} | (block or {})
        return ["run", study(folder, block=block_of)]

    return Case(name, make, code, told)


def gone(file):
    return lambda folder: (folder / file).unlink()


def cut(file, share=0.5):
    def change(folder):
        data = (folder / file).read_bytes()
        (folder / file).write_bytes(data[: int(share * len(data))])

    return change


def encoder(folder):
    """Put a BERT in the place of the model."""
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=2000, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(config).save_pretrained(folder)


def without_moves(folder):
    """Take a move out of the tokenizer."""
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    vocabulary = data["model"]["vocab"]
    word = find_task("chess-puzzle").options()[7]
    vocabulary["renamed"] = vocabulary.pop(word)
    path.write_text(json.dumps(data))


def newer_record(folder):
    path = study(folder)
    store, plan = Store(folder / "store"), make_plan(load_study(path))
    key = plan.targets[0].key
    store.publish(store.scratch(key), {"key": key, "function": "x:y", "outputs": {}})
    record_path = store.folder(key) / "record.json"
    record = json.loads(record_path.read_text()) | {"format": 99}
    del record["checksum"]
    record_path.write_text(json.dumps(record | {"checksum": digest(record)}))
    return ["run", path]


def store_is_a_file(folder):
    (folder / "file").write_text("x")
    return ["run", study(folder), "--store", str(folder / "file")]


def parquet(table):
    return lambda rows, path: pq.write_table(pa.table(table), path)


LONG = "".join(PUZZLE.format(id=f"p{i}") for i in range(100))
TABLE = [
    # the study
    arguments("misspelt study", "run", "ches-quick", told=("unknown study 'ches-quick'", "did you mean chess-quick")),
    arguments("study file missing", "run", "{folder}/none.yaml", told=("there is no study file", "none.yaml")),
    arguments("study is a folder", "run", "{folder}", told=("unknown study", ".yaml file")),
    text("not YAML", b"name: [", "bad.yaml is not YAML"),
    text("not text", b"\xff\xfe\x00", "bad.yaml is not YAML"),
    text("a list", b"- a\n- b\n", "must be a mapping", "comparisons"),
    text("empty study", b"", "must be a mapping", "comparisons"),
    text("key twice", b"name: a\nname: b\ncomparisons: []\n", "name", "twice"),
    planned("misspelt key", "did you mean comparisons", comparison=[], comparisons=None),
    planned("misspelt key of rows", "rows: unknown key 'tets'", "did you mean test", rows=ROWS | {"tets": 1}),
    planned("misspelt key of training", "training: unknown key 'epoch'", "did you mean epochs", training={"epoch": 1}),
    planned(
        "misspelt key of a block",
        "comparisons.0: unknown key 'studnets'",
        "did you mean students",
        block={"studnets": [SMALL]},
    ),
    planned("misspelt key of a label file", "path", block={"supervisors": [{"name": "a", "paths": "b"}]}),
    planned("no name", "name", name=None),
    planned("name that leaves the folder", "name", "../up", name="../up"),
    planned("name that is a number", "name", name=7),
    planned("negative seed", "seeds.0", "greater than or equal to 0", "-1", seeds=[-1]),
    planned("seed twice", "a seed is named twice", seeds=[1, 1]),
    planned("no seed", "seeds", "at least 1", seeds=[]),
    planned("seed that is text", "seeds.0", "integer", seeds=["one"]),
    planned("seeds that are no list", "seeds", seeds=3),
    planned("no block", "comparisons", "at least 1", comparisons=[]),
    planned("no student", "students", "at least 1", block={"students": []}),
    planned("no method", "methods", "at least 1", block={"methods": []}),
    planned("students that are no list", "students", block={"students": SMALL}),
    planned("no test rows", "rows.test", "greater than 0", rows=ROWS | {"test": 0}),
    planned("half a row", "rows.student", "integer", rows=ROWS | {"student": 1.5}),
    planned("no epoch", "training.epochs", "greater than 0", training={"epochs": 0}),
    planned("learning rate in words", "training.lr", "'fast'", "tune", training={"lr": "fast"}),
    planned("negative learning rate", "training.lr", "greater than 0", training={"lr": -1}),
    planned("learning rate that is no number", "training.lr", "finite", training={"lr": float("nan")}),
    planned("warm-up without end", "training.warmup", "less than 1", training={"warmup": 1}),
    planned("unknown way to stop", "training.stop", "'last', 'weak' or 'truth'", training={"stop": "early"}),
    planned("nothing to stop on", "student_validation", "above 0", training={"stop": "weak"}),
    planned("unknown precision", "training.precision", "fp32", training={"precision": "fp16"}),
    planned("misspelt task", "unknown task 'chess-puzle'", "did you mean chess-puzzle", block={"task": "chess-puzle"}),
    planned("misspelt method", "unknown method 'naiv'", "did you mean naive", block={"methods": ["naiv"]}),
    planned("misspelt size", "unknown model '0,34M'", "did you mean", block={"students": ["0,34M"]}),
    planned("task without data", "lichess-puzzle", "data", block={"task": "lichess-puzzle"}),
    planned("data file missing", "no file", "none.csv", block={"task": "lichess-puzzle", "data": "none.csv"}),
    planned(
        "label file missing", "none.jsonl", "people", block={"supervisors": [{"name": "people", "path": "none.jsonl"}]}
    ),
    planned("students smaller than supervisors", "smaller", block={"supervisors": [LARGE], "students": [SMALL]}),
    planned("method without models between", "no size between", block={"methods": ["bootstrapping"]}),
    planned(
        "method for shared options only",
        "confidence-release needs the same classes",
        block={"task": "chess-puzzle", "methods": ["confidence-release"]},
    ),
    planned(
        "no learning rate shipped",
        "training.lr",
        training={"lr": "default"},
        block={"task": "lichess-puzzle", "data": __file__},
    ),
    # the command line
    arguments("--set without =", "plan", "{study}", "--set", "rows.test", told=("--set rows.test", "a.b=value")),
    arguments("--set past a list", "plan", "{study}", "--set", "comparisons.3.task=a", told=("'3'", "0 to 0")),
    arguments("--set below a number", "plan", "{study}", "--set", "seeds.0.a=1", told=("--set seeds.0.a=1",)),
    arguments("--set without a name", "plan", "{study}", "--set", "=1", told=("--set =1", "a.b=value")),
    arguments("--set that is not YAML", "plan", "{study}", "--set", "seeds=[", told=("--set seeds=[", "not YAML")),
    arguments(
        "--set misspelt",
        "plan",
        "{study}",
        "--set",
        "rows.tets=1",
        told=("rows: unknown key 'tets'", "did you mean test"),
    ),
    arguments("no worker", "run", "{study}", "--jobs", "0", told=("--jobs", "1")),
    arguments("workers in words", "run", "{study}", "--jobs", "two", told=("--jobs", "integer")),
    arguments("unknown option", "run", "{study}", "--job", "2", told=("--job", "--jobs")),
    arguments("unknown command", "rum", told=("rum", "run")),
    arguments("one argument too many", "plan", "{study}", "more", told=("more",)),
    arguments("unknown ladder", "ladder", "ches", told=("unknown ladder 'ches'", "did you mean chess")),
    arguments("unknown size of a ladder", "ladder", "chess", "--sizes", "25", told=("unknown size '25'", "25k")),
    arguments("no size of a ladder", "ladder", "chess", "--sizes", ",", told=("--sizes", "25k")),
    arguments("no games", "ladder", "chess", "--games", "0", told=("--games",)),
    Case("store is a file", store_is_a_file, 1, ("file", "--store")),
    Case("record of a newer format", newer_record, 1, ("format 99", "another --store")),
    # data
    csv(
        "line that is no puzzle",
        HEADER + LONG + "x,not a board,e2e4 e7e5,1,\n",
        "bad.csv, line 102",
        "not a lichess puzzle",
    ),
    csv("no such columns", "a,b\n1,2\n", "bad.csv is not lichess's puzzle CSV", "no column PuzzleId, FEN, Moves"),
    csv("puzzle without solution", HEADER + PUZZLE.format(id="a").replace(" e6e7 b2b1 b3c1 b1c1 h6c1", ""), "line 2"),
    csv("empty file", "", "has no rows"),
    csv("header only", HEADER, "has no rows"),
    csv("table that is not text", b"\xff\xfe\x00\x01", "bad.csv", "not UTF-8"),
    csv("not compressed", HEADER + LONG, "bad.csv.gz", "gzip", file="bad.csv.gz"),
    csv("cut archive", gzip.compress((HEADER + LONG).encode())[:-20], "bad.csv.gz", "gzip", file="bad.csv.gz"),
    csv("id twice", HEADER + LONG + PUZZLE.format(id="p3"), "'p3' occurs twice"),
    csv("id missing", HEADER + LONG + PUZZLE.format(id=""), "line 102", "PuzzleId"),
    csv("too few rows", HEADER + LONG, "the split test got 100 of 200 rows", "lower the numbers under rows", test=200),
    Case(
        "rows that cannot be balanced",
        lambda folder: ["run", study(folder, rows=ROWS | {"test": 21})],
        2,
        ("rows.test must be a multiple of 2", "2 classes"),
    ),
    # labels
    labels("unknown label", changed_row(label="goood"), "row 3", "'goood'", "good, blunder"),
    labels("label that is no option", changed_row(label=2), "row 3", "label 2"),
    labels("no label", changed_row(label=None), "row 3", "label"),
    labels("no id", changed_row(id=None), "row 3", "no id"),
    labels(
        "id of labels twice", lambda rows, path: changed_row(id=rows[0]["id"])(rows, path), "row 3", "stands in row 1"
    ),
    labels("probabilities of 90%", changed_row(probabilities=[0.5, 0.4]), "row 3", "add up to 0.9000"),
    labels("three probabilities", changed_row(probabilities=[0.5, 0.4, 0.1]), "row 3", "2 numbers"),
    labels("negative probability", changed_row(probabilities=[1.5, -0.5]), "row 3", "at least 0"),
    labels("line of labels that is not JSON", lambda rows, path: path.write_text("{\n"), "row 1", "not a JSON object"),
    labels("empty label file", lambda rows, path: path.write_text(""), "has no rows"),
    labels("labels of another task", lambda rows, path: path.write_text('{"id": "q1", "label": 0}'), "no label for 20"),
    labels("labels that are not text", lambda rows, path: path.write_bytes(b"\xff\xfe"), "labels.jsonl", "UTF-8"),
    labels("cut Parquet", lambda rows, path: path.write_bytes(b"PAR1xxxx"), "Parquet", file="labels.parquet"),
    labels("Parquet without columns", parquet({"key": ["a"]}), "row 1", "no id", file="labels.parquet"),
    # models
    model("model without config", gone("config.json"), "is not a model", "config.json", code=2),
    model("model without tokenizer", gone("tokenizer.json"), "is not a model", "tokenizer.json", code=2),
    model("model without weights", gone("model.safetensors"), "is not a model", "safetensors", code=2),
    model("cut weights", cut("model.safetensors"), "model.safetensors has", "bytes, not the", code=2),
    model("empty weights", cut("model.safetensors", 0), "model.safetensors", "not a safetensors", code=2),
    model("config that is not JSON", cut("config.json"), "config.json", "fetch the model again", code=2),
    model("tokenizer that is not JSON", cut("tokenizer.json"), "tokenizer"),
    model(
        "encoder",
        encoder,
        "is an encoder, not a causal language model",
        code=2,
        block={"task": "chess-puzzle", "methods": ["naive-hard"]},
    ),
    model(
        "option that is no token",
        without_moves,
        "is not one token",
        block={"task": "chess-puzzle", "methods": ["naive-hard"]},
    ),
    # training
    Case(
        "loss that is no number",
        lambda folder: ["run", study(folder, training={"epochs": 4, "batch": 8, "lr": 1e30})],
        1,
        ("lower training.lr",),
    ),
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_bad_input_is_one_message_with_the_thing_and_the_remedy(case, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = case.make(tmp_path)
    if words[0] == "run" and "--store" not in words:
        words += ["--store", str(tmp_path / "store")]
    if words[0] == "run" and "--jobs" not in words:
        words += ["--jobs", "1"]
    code = call(words)
    out, told = capfd.readouterr()
    assert code == case.code, told
    assert "Traceback" not in out + told
    assert "This is a bug" not in told, told
    assert told.count("error: ") == 1, told
    missing = [part for part in case.told if part not in " ".join(told.split())]
    assert not missing, told


def test_the_table_is_long_enough_and_names_each_kind_once():
    names = [case.name for case in TABLE]
    assert len(set(names)) == len(names) >= 40


def test_a_ladder_without_stockfish_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("outgrow.chess.engine.shutil.which", lambda name, **_: None)
    monkeypatch.setattr("outgrow.chess.engine.Path.is_file", lambda path: False, raising=False)
    assert call(["ladder", "chess", "--store", str(tmp_path / "store")]) == 2
    told = capsys.readouterr().err
    assert "Stockfish" in told
    assert "apt-get install stockfish" in told
    assert "Traceback" not in told


def test_debug_shows_the_traceback(tmp_path, capsys):
    assert call(["plan", "ches-quick", "--debug"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "did you mean chess-quick" in told


def test_a_number_that_yaml_reads_as_text_is_taken_as_the_number_it_is(tmp_path):
    path = Path(study(tmp_path))
    path.write_text(path.read_text().replace("lr: 0.001", "lr: 1e-5"))
    assert yaml.safe_load(path.read_text())["training"]["lr"] == "1e-5"
    assert load_study(path).training.lr == 1e-5


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")
def test_bad_input_costs_nothing_that_is_finished(tmp_path, capsys):
    store = tmp_path / "store"
    assert call(["run", study(tmp_path), "--jobs", "1", "--store", str(store)]) == 0
    before = sorted(Store(store).finished_keys())
    bad = study(tmp_path, training={"epochs": 4, "batch": 8, "lr": 1e30})
    assert call(["run", bad, "--jobs", "1", "--store", str(store)]) == 1
    assert set(before) <= set(Store(store).finished_keys())
    capsys.readouterr()
    assert call(["run", study(tmp_path), "--jobs", "1", "--store", str(store), "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert steps["cached"] == steps["total"]
