"""Prompts of preference tasks in a model's chat template, where the study asks for it."""

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from outgrow.api import run_plan
from outgrow.dag.step import closure
from outgrow.errors import StepError, UsageError
from outgrow.examples import Examples
from outgrow.plan import make_plan
from outgrow.training.batches import encode
from outgrow.training.chat import as_chat

WORDS = ["<s>", "<unk>", "<user>", "<assistant>", "<end>", "hi", "there", "yes", "no"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    "<{{ m.role }}> {{ m.content }} <end> {% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}"
)
TALK = "\n\nHuman: hi\n\nAssistant: there\n\nHuman: hi there\n\nAssistant:"


def tokenizer(template=TEMPLATE, *, begins=False):
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    if begins:
        made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    whole = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>")
    whole.add_special_tokens({"additional_special_tokens": WORDS[2:5]})
    whole.chat_template = template
    return whole


def rows(prompt=TALK):
    return Examples(("r1",), ("r1",), (prompt,), np.array([0]), ((" yes", " no"),))


@pytest.mark.parametrize("begins", [False, True], ids=["plain", "begins every text itself"])
def test_the_completion_follows_the_templates_prompt_and_the_text_begins_once(begins):
    reader = tokenizer(begins=begins)
    inputs = encode(reader, as_chat(reader, rows()), head="completion", limit=50)
    expected = "<s> <user> hi <end> <assistant> there <end> <user> hi there <end> <assistant>"
    for sequence, word in enumerate(("no", "yes")):  # options go through a model in the order of their texts
        tokens = inputs.flat[inputs.start[sequence] : inputs.start[sequence + 1]]
        assert " ".join(WORDS[each] for each in tokens) == f"{expected} {word}"
    assert inputs.option_S.tolist() == [1, 0]
    assert inputs.scored_S.tolist() == [len(expected.split())] * 2


def test_what_cannot_be_put_in_a_template_is_named():
    with pytest.raises(StepError, match="has no chat template"):
        as_chat(tokenizer(template=None), rows())
    with pytest.raises(StepError, match="row r1 is no dialogue"):
        as_chat(tokenizer(), rows("TITLE: x\nTL;DR:"))
    with pytest.raises(StepError, match="refuses the dialogue of row r1: no system here"):
        as_chat(tokenizer(), rows("\n\nSystem: be good" + TALK))


def test_a_study_asks_for_it_by_a_setting_that_is_hashed_where_it_is_on(text_study, text_world, store, tmp_path):
    plain, asked = (
        make_plan(text_study("hh_rlhf", supervisors=("llama-12",), training={"chat_template": each}))
        for each in (False, True)
    )
    for made, expected in ((plain, None), (asked, True)):
        steps = [each for each in closure(made.targets).values() if "model" in each.spec]
        assert {each.kind for each in steps} == {"finetune", "zero_shot", "label"}
        assert {each.spec["training"].get("chat_template") for each in steps} == {expected}
    summary = run_plan(asked, store=store)
    assert all("has no chat template" in each.message for each in summary.failures.values())
    assert summary.failures


def test_tasks_without_dialogues_refuse_it(text_study, tiny_study):
    for study in (
        text_study(training={"chat_template": True}),
        tiny_study(training={"chat_template": True, "lr": 0.1}),
    ):
        with pytest.raises(UsageError, match="prompts are not dialogues"):
            make_plan(study)


@pytest.mark.parametrize("supervisor", ["llama-12", "bert-8"])
def test_models_with_templates_end_in_a_comparison(text_study, text_world, store, tmp_path, supervisor):
    import shutil

    from transformers import AutoTokenizer

    for name in {"llama-16", supervisor}:
        folder = shutil.copytree(text_world[0] / name, tmp_path / "models" / name)
        reader = AutoTokenizer.from_pretrained(folder)
        if name == "bert-8":
            continue
        reader.chat_template = "{% for m in messages %}{{ m.content }} : {% endfor %}"
        reader.save_pretrained(folder)
    study = text_study(
        "hh_rlhf",
        methods=("naive", "generative"),
        supervisors=(supervisor,),
        training={"chat_template": "auto" if supervisor == "bert-8" else True, "epochs": 4},
        models=str(tmp_path / "models"),
    )
    plan = make_plan(study)
    summary = run_plan(plan, store=store)
    assert summary.ok, [each.log for each in summary.failures.values()]
    assert store.get(plan.cells[0].ceiling.key).outputs["test"]["accuracy"] > 0.7
