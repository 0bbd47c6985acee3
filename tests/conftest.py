"""A tiny ladder and tiny tasks, made here: nothing in these tests rests on what the package ships."""

import json
import os

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before torch is imported

import chess
import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.tiny_text import write_models, write_rows

from outgrow.chess.encoding import vocabulary, write_tokenizer
from outgrow.dag.store import Store
from outgrow.models import catalog
from outgrow.seeds import derive, generator
from outgrow.spec import Study

hypothesis.settings.register_profile("patient", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("patient")

TINY = {"tiny-8": 8, "tiny-12": 12, "tiny-16": 16}
RATE = 0.01


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Return a folder like the package's ladders, with three random GPT-2 models of the chess vocabulary."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from outgrow.models.heads import quiet

    quiet()
    root = tmp_path_factory.mktemp("ladders")
    for size, width in TINY.items():
        config = GPT2Config(
            vocab_size=len(vocabulary()),
            n_positions=48,
            n_embd=width,
            n_layer=1,
            n_head=2,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
            initializer_range=0.2,
        )
        folder = root / "chess" / size
        with torch.random.fork_rng():
            torch.manual_seed(derive(0, "tiny", size))
            GPT2LMHeadModel(config).save_pretrained(folder)
        write_tokenizer(folder)
        card = {"size": size, "parameters": catalog.count_parameters(folder / "model.safetensors")}
        (folder / "card.json").write_text(json.dumps(card))
    rates = {size: {"chess-puzzle": RATE, "chess-blunder": RATE} for size in TINY}
    (root / "chess" / "learning_rates.json").write_text(json.dumps(rates))
    return root


@pytest.fixture
def tiny_ladder(tiny_models, monkeypatch):
    """Put the tiny models where the package looks for its ladders; return the folder of each size."""
    monkeypatch.setattr(catalog, "LADDERS", tiny_models)
    for cached in (catalog.ladder, catalog.find_model):
        cached.cache_clear()
    yield {size: tiny_models / "chess" / size for size in TINY}
    for cached in (catalog.ladder, catalog.find_model):
        cached.cache_clear()


def playout(game):
    """Yield a position of each of some plies of a random game, with a random legal move."""
    rng, board = generator(0, "playout", game), chess.Board()
    for ply in range(24):
        moves = list(board.legal_moves)
        if not moves:
            return
        move = moves[rng.integers(len(moves))]
        if ply % 6 == 5:
            yield board.fen(), move.uci(), board.turn
        board.push(move)


@pytest.fixture(scope="session")
def tiny_tasks(tmp_path_factory):
    """Return the files of a puzzle task and of a task with two classes, 400 rows of 100 random games each."""
    folder = tmp_path_factory.mktemp("tasks")
    rows = [(game, i, *each) for game in range(100) for i, each in enumerate(playout(game))]
    puzzles = [{"id": f"p{game}-{i}", "game": game, "fen": fen, "solution": move} for game, i, fen, move, _turn in rows]
    blunders = [
        # Something that a model can learn from the words: does the move go to the mover's right half?
        {"id": f"b{game}-{i}", "game": game, "fen": fen, "move": move, "label": int(move[2] > "d")}
        for game, i, fen, move, _turn in rows
    ]
    files = {"chess-puzzle": puzzles, "chess-blunder": blunders}
    for name, table in files.items():
        pq.write_table(pa.Table.from_pylist(table), folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in files}


@pytest.fixture
def tiny_study(tiny_ladder, tiny_tasks):
    """Return a function that makes a study of the tiny ladder on a tiny task."""

    def make(task="chess-blunder", *, methods=("naive",), students=("tiny-16",), supervisors=("tiny-8",), **changes):
        block = {
            "task": task,
            "supervisors": supervisors,
            "students": students,
            "methods": methods,
            "data": str(tiny_tasks[task]),
        }
        data = {
            "name": "tiny",
            "seeds": (0,),
            "rows": {"supervisor": 48, "student": 48, "link": 32, "test": 60, "tune": 40},
            "training": {"epochs": 2, "batch": 16},
            "comparisons": (block,),
        }
        data |= {name: data[name] | value if name in ("rows", "training") else value for name, value in changes.items()}
        return Study.model_validate(data)

    return make


@pytest.fixture(scope="session")
def text_world(tmp_path_factory):
    """Return the folders of the tiny language models and of the tiny text tasks."""
    return write_models(tmp_path_factory.mktemp("models")), write_rows(tmp_path_factory.mktemp("texts"))


@pytest.fixture
def text_study(text_world):
    """Return a function that makes a study of the tiny language models on a tiny text task."""

    def make(task="sst2", *, methods=("naive",), supervisors=("bert-8",), students=("llama-16",), **changes):
        block = {"task": task, "supervisors": supervisors, "students": students, "methods": methods}
        data = {
            "name": "tiny-text",
            "seeds": (0,),
            "models": str(text_world[0]),
            "data_dir": str(text_world[1]),
            "rows": {"supervisor": 64, "student": 64, "link": 32, "test": 60, "tune": 40},
            "training": {"epochs": 2, "batch": 16, "lr": 0.01, "l2": 0.1, "max_tokens": 32},
            "comparisons": (block,),
        }
        data |= {name: data[name] | value if name in ("rows", "training") else value for name, value in changes.items()}
        return Study.model_validate(data)

    return make


@pytest.fixture
def store(tmp_path):
    """Return an empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def rng():
    """Return a generator for made-up numbers."""
    return np.random.default_rng(0)
