import json
from pathlib import Path

import pytest

import outgrow.cli.ladder as making
from outgrow.chess.ladder import LadderPlan, export_steps
from outgrow.dag.step import Step
from outgrow.errors import UsageError


def test_plan_counts_steps_shared_cached_and_to_do(outgrow, study, store, fill):
    fill(skip=lambda step: step.title.startswith("confidence"))
    code, out, _ = outgrow("plan", study, "--store", store.root, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["steps"]["task"] == {"steps": 2, "shared": 2, "cached": 2, "to do": 0}
    assert told["steps"]["finetune"]["to do"] == 3
    assert sum(row["steps"] for row in told["steps"].values()) == 52
    pair = {"task": "chess-blunder", "supervisor": "small", "student": "middle"}
    assert {**pair, "methods": ["naive", "confidence"], "seeds": [0, 1, 2]} in told["comparisons"]


def test_plan_shows_the_grid_and_what_was_left_out(outgrow, study, store):
    code, out, _ = outgrow("plan", study, "--store", store.root)
    assert code == 0
    assert "small -> large" in out
    assert "bootstrapping-hard left out for small -> middle" in out
    assert max(map(len, out.splitlines())) <= 80
    assert not store.root.exists()


def test_status_of_a_store_counts_finished_steps_by_kind(outgrow, study, store, fill):
    fill()
    _, out, _ = outgrow("status", "--store", store.root, "--json")
    told = json.loads(out)
    assert told["kinds"]["task"]["finished"] == 2
    assert told["kinds"]["zero_shot"]["bytes"] > 100
    assert told["unreadable"] == 0


def test_status_of_a_store_goes_on_past_a_record_it_cannot_read(outgrow, study, store, fill):
    fill()
    next(store.root.glob("steps/*/*/record.json")).write_text("{")
    code, out, _ = outgrow("status", "--store", store.root)
    assert code == 0
    assert "1 record cannot be read" in out


def test_status_of_an_empty_store_says_how_to_fill_it(outgrow, store):
    code, out, _ = outgrow("status", "--store", store.root)
    assert code == 0
    assert "outgrow run" in out


def test_status_of_a_study_shows_seeds_and_the_table_so_far(outgrow, study, store, fill):
    fill(skip=lambda step: step.title.startswith("confidence") and "seed 2" in step.title)
    code, out, _ = outgrow("status", study, "--store", store.root)
    assert code == 0
    assert "51 of 52 steps done, 1 to do" in out
    assert "2 of 3" in out
    assert "weak 50.0" in out
    _, out, _ = outgrow("status", study, "--store", store.root, "--json")
    confidence = next(row for row in json.loads(out)["progress"] if row["method"] == "confidence")
    assert confidence["done"] == [0, 1]


@pytest.mark.parametrize(
    ("command", "name"), [("tasks", "chess-puzzle"), ("methods", "naive-hard"), ("studies", "chess-quick")]
)
def test_lists_fit_eighty_columns_and_are_json_on_demand(outgrow, command, name):
    code, out, _ = outgrow(command)
    assert code == 0
    assert name in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = outgrow(command, "--json")
    assert name in [each["name"] for each in json.loads(out)]


def test_models_come_from_the_cards_smallest_first(outgrow, ladder):
    _, out, _ = outgrow("models", "--json")
    assert [model["name"] for model in json.loads(out)] == ["small", "middle", "large"]
    _, out, _ = outgrow("models")
    assert "12.3" in out


def test_no_ladder_says_how_to_make_one(outgrow, ladder, tmp_path, monkeypatch):
    monkeypatch.setattr("outgrow.cli.listing.LADDERS", tmp_path / "nowhere")
    _, out, _ = outgrow("models")
    assert "outgrow ladder chess" in out


def test_doctor_says_what_is_there(outgrow, ladder, store):
    code, out, _ = outgrow("doctor", "--store", store.root, "--json")
    found = {each["what"]: each for each in json.loads(out)}
    assert code == 0
    assert found["torch"]["state"] == "good"
    assert "small, middle, large" in found["chess ladder"]["found"]
    assert "free" in found["disk"]["found"]


def test_doctor_says_what_to_type_where_something_is_missing(outgrow, ladder, store, tmp_path, monkeypatch):
    monkeypatch.setattr("outgrow.cli.doctor.PACKAGES", ("no-such-package",))
    monkeypatch.setattr("outgrow.cli.doctor.ladder", lambda name: {})
    code, out, _ = outgrow("doctor", "--store", store.root)
    assert code == 1
    assert "pip install no-such-package" in out
    assert "Not ready" in out


def test_doctor_says_that_the_hub_cannot_be_reached_and_is_ready_all_the_same(outgrow, ladder, store, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("outgrow.cli.doctor.BROWSERS", ())
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    code, out, _ = outgrow("doctor", "--store", store.root, "--json")
    found = {each["what"]: each for each in json.loads(out)}
    assert code == 0
    assert "127.0.0.1:9 cannot be reached" in found["hub"]["found"]
    assert {found[name]["state"] for name in ("hub", "Chromium")} == {"note"}


@pytest.fixture
def two_exports(monkeypatch, store):
    """Put two finished steps with one file each in the place of the ladder's."""
    steps = {name: Step("made_up:made_up", 1, {"name": name}, title=name) for name in ("25k", "puzzles.parquet")}
    for name, step in steps.items():
        scratch = store.scratch(step.key)
        Path(scratch, "model.safetensors" if name == "25k" else name).write_text(name)
        store.publish(scratch, {"key": step.key, **step.identity, "outputs": {}})
    monkeypatch.setattr(making, "export_steps", lambda plan, sizes: {size: steps[size] for size in sizes})
    monkeypatch.setattr(making, "task_steps", lambda plan: {"puzzles.parquet": steps["puzzles.parquet"]})


def test_ladder_copies_models_and_tasks_out_of_the_store(outgrow, two_exports, store, tmp_path):
    out_folder = tmp_path / "out"
    code, out, err = outgrow("ladder", "chess", "--sizes", "25k", "--store", store.root, "--out", out_folder)
    assert code == 0, err
    assert (out_folder / "ladders/chess/25k/model.safetensors").read_text() == "25k"
    assert (out_folder / "tasks/puzzles.parquet").read_text() == "puzzles.parquet"
    assert str(out_folder) in out


def test_ladder_refuses_an_unknown_size(outgrow):
    code, _, err = outgrow("ladder", "chess", "--sizes", "25k,0.3M")
    assert code == 2
    assert "did you mean 0.34M" in err


def test_ladder_without_an_engine_says_how_to_install_it_before_it_starts(store, monkeypatch):
    def missing():
        raise making.EngineMissingError("Stockfish is not installed: apt-get install stockfish")

    monkeypatch.setattr(making, "find_stockfish", missing)
    steps = export_steps(LadderPlan(games=500, positions=128_000), ["25k"])
    with pytest.raises(UsageError, match="apt-get install stockfish"):
        making._announce(list(steps.values()), store=store, jobs=2)


def test_the_expected_time_is_that_of_the_longest_chain_if_workers_do_not_help():
    chain = {}
    for name in ("a", "b"):
        inputs = {"previous": chain["a"]} if chain else {}
        chain[name] = Step("x:selfplay", 1, {"name": name}, inputs)
    waiting = {step.key: step for step in chain.values()}
    one = making.expected_seconds(waiting, jobs=1)
    assert making.expected_seconds(waiting, jobs=8) == one == 2 * making.EXPECTED_SECONDS["selfplay"]
