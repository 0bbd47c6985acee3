"""Rows of preference sets as comparisons: what is preferred, what is left out, and that the order tells nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.tasks import comparisons as sets
from outgrow.tasks.comparisons import Skipped, ordered
from outgrow.tasks.dialogue import as_dialogue, as_messages, first_turn

TALK = "\n\nHuman: Hello\n\nAssistant: Hi\n\nHuman: Why?\n\nAssistant:"
WORDS = st.text("abc ", min_size=1, max_size=8).filter(str.strip)


def one(found):
    """Return the only comparison's prompt, preferred text, other texts and the comparison itself."""
    (only,) = found
    others = [text for i, text in enumerate(only.completions) if i != only.preferred]
    return only.prompt, only.completions[only.preferred], others, only


@given(WORDS, st.lists(WORDS, min_size=2, max_size=4, unique_by=str.strip))
def test_the_order_of_completions_does_not_depend_on_which_is_preferred(prompt, texts):
    orders = set()
    for i, preferred in enumerate(texts):
        found = ordered(prompt, preferred, [*texts[:i], *texts[i + 1 :]], group="g")
        assert found.completions[found.preferred].strip() == preferred.strip()
        orders.add(found.completions)
    assert len(orders) == 1


def test_the_preferred_text_stands_first_about_half_the_time():
    first = sum(ordered(f"prompt {i}", f"good {i}", [f"bad {i}"], group="g").preferred == 0 for i in range(2_000))
    assert 900 < first < 1_100


@pytest.mark.parametrize(("preferred", "other"), [("", "b"), ("a", " \n"), ("a", " a ")])
def test_empty_and_equal_completions_are_left_out(preferred, other):
    with pytest.raises(Skipped):
        ordered("p", preferred, [other], group="g")


def test_hh_rlhf_is_split_at_the_last_answer():
    row = {"chosen": TALK + " Because.", "rejected": TALK + " No."}
    prompt, good, bad, found = one(sets.hh_rlhf(row))
    assert (prompt, good, bad) == (TALK, " Because.", [" No."])
    assert found.group == "Hello"


def test_hh_rlhf_dialogues_that_part_earlier_are_left_out():
    row = {"chosen": TALK + " Because.", "rejected": "\n\nHuman: Hello\n\nAssistant: No."}
    with pytest.raises(Skipped, match="differ"):
        sets.hh_rlhf(row)


@pytest.mark.parametrize(("label", "good"), [(1, " a"), (0, " b")])
def test_shp_says_whether_a_is_preferred(label, good):
    row = {"post_id": "x", "history": "Q", "human_ref_A": "a", "human_ref_B": "b", "labels": label, "score_ratio": 3}
    prompt, preferred, _, found = one(sets.shp(row))
    assert (prompt, preferred) == ("\n\nHuman: Q\n\nAssistant:", good)
    assert (found.group, found.margin) == ("x", 3.0)


def test_ultrafeedback_takes_the_last_messages_and_leaves_out_equal_marks():
    row = {
        "prompt": "Q",
        "chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
        "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}],
        "score_chosen": 8.5,
        "score_rejected": 7.0,
    }
    prompt, preferred, others, found = one(sets.ultrafeedback(row))
    assert (prompt, preferred, others, found.margin) == (sets.asked("Q"), " good", [" bad"], 1.5)
    with pytest.raises(Skipped):
        sets.ultrafeedback(row | {"score_rejected": 8.5})


@pytest.mark.parametrize(("strength", "good", "margin"), [(-3, " a", 3.0), (1, " b", 1.0)])
def test_helpsteer_strengths_point_to_the_second_answer_where_positive(strength, good, margin):
    second = {"prompt": "Q", "response_1": "a", "response_2": "b", "preference_strength": strength}
    third = {
        "context": [{"role": "user", "content": "Q"}],
        "response1": "a",
        "response2": "b",
        "overall_preference": strength,
    }
    for found in (sets.helpsteer2(second), sets.helpsteer3(third)):
        prompt, preferred, _, comparison = one(found)
        assert (prompt, preferred, comparison.margin) == (sets.asked("Q"), good, margin)


def test_a_helpsteer_tie_is_left_out():
    with pytest.raises(Skipped, match="tie"):
        sets.helpsteer2({"prompt": "Q", "response_1": "a", "response_2": "b", "preference_strength": 0})


def test_helpsteer2_prompts_of_several_turns_become_dialogues():
    text = "Q\n<extra_id_1>Assistant\nA\n<extra_id_1>User\nR\n<extra_id_1>Assistant\n"
    row = {"prompt": text, "response_1": "a", "response_2": "b", "preference_strength": 1}
    prompt, *_ = one(sets.helpsteer2(row))
    assert as_messages(prompt) == [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "R"},
    ]


def test_a_summary_is_chosen_by_number():
    info = {"id": "t3_x", "post": "long", "title": "T", "subreddit": "s", "article": None}
    row = {"info": info, "summaries": [{"text": " one"}, {"text": " two"}], "choice": 1}
    prompt, preferred, others, found = one(sets.summaries(row))
    assert (preferred, others, found.group) == (" two", [" one"], "t3_x")
    assert prompt == "SUBREDDIT: r/s\nTITLE: T\nPOST: long\nTL;DR:"
    news = info | {"post": None, "article": "text"}
    assert one(sets.summaries(row | {"info": news}))[0] == "Article: text\nTL;DR:"


def test_reward_bench_2_is_one_of_four_without_the_ties():
    row = {"prompt": "Q", "chosen": ["a"], "rejected": ["b", "c", "d"], "subset": "Focus"}
    _, preferred, others, _ = one(sets.reward_bench_2(row))
    assert (preferred, sorted(others)) == (" a", [" b", " c", " d"])
    with pytest.raises(Skipped):
        sets.reward_bench_2(row | {"subset": "Ties", "chosen": ["a", "e"]})


def test_rm_bench_gives_nine_pairs_named_by_their_styles():
    row = {"prompt": "Q", "chosen": ["a", "aa", "aaa"], "rejected": ["b", "bb", "bbb"]}
    found = sets.rm_bench(row)
    right_before_wrong = {
        each.tag: (each.completions[each.preferred], each.completions[1 - each.preferred]) for each in found
    }
    assert len(right_before_wrong) == 9
    assert right_before_wrong["concise-markdown"] == (" a", " bbb")
    assert right_before_wrong["detailed-concise"] == (" aa", " b")
    assert {each.group for each in found} == {"Q"}


@pytest.mark.parametrize(
    "signature",
    [
        "string make_it(int x)",
        "public String makeIt(int x)",
        "const makeIt = (x)",
        "func MakeIt(x int) string",
        "make_it(x:i32) -> String",
    ],
)
def test_a_problem_for_code_is_one_group_in_every_language(signature):
    row = {"prompt": f"Write a X function `{signature}` to solve", "chosen": ["a"] * 3, "rejected": ["b"] * 3}
    assert {each.group for each in sets.rm_bench(row)} == {"function makeit"}


def test_rmb_answers_lie_in_records():
    row = {
        "conversation_input": [{"role": "user", "content": "Q"}],
        "chosen": {"answer": "good", "llm_name": "x"},
        "reject": {"answer": "bad", "llm_name": "y"},
    }
    assert one(sets.rmb_pairs(row))[:3] == (sets.asked("Q"), " good", [" bad"])


def test_equal_answers_cost_one_pair_of_nine():
    row = {"prompt": "Q", "chosen": ["a", "same", "c"], "rejected": ["d", "e", "same"]}
    found = sets.rm_bench(row)
    assert [str(each) for each in found if isinstance(each, Skipped)] == ["equal completions"]
    assert len(found) == 9


@pytest.mark.parametrize(("label", "good"), [(1, " a"), ("1", " a"), (0, " b"), ("0", " b")])
def test_votes_of_a_csv_mean_what_those_of_the_hub_do(label, good):
    row = {"post_id": "x", "history": "H", "human_ref_A": "a", "human_ref_B": "b", "labels": label, "score_ratio": "2"}
    assert one(sets.shp(row))[1] == good
    with pytest.raises(ValueError, match="the column labels is 7, not one of 0, 1"):
        sets.shp(row | {"labels": 7})


LABELS = [("A", " a"), ("B", " b"), (0, " a"), (1, " b"), ("0", " a"), ("1", " b")]


@pytest.mark.parametrize(("label", "good"), LABELS)
def test_a_labelled_pair_names_the_better_answer(label, good):
    row = {"prompt": "Q", "first": "a", "second": "b", "label": label}
    assert one(sets.labelled_pair(row))[1] == good


@pytest.mark.parametrize("label", [-1, None, ""])
def test_a_pair_without_a_label_is_left_out(label):
    with pytest.raises(Skipped, match="no label"):
        sets.labelled_pair({"prompt": "Q", "first": "a", "second": "b", "label": label})


def test_a_label_that_is_none_of_the_two_is_an_error():
    with pytest.raises(ValueError, match="the column label is 'C', not one of A, B"):
        sets.labelled_pair({"prompt": "Q", "first": "a", "second": "b", "label": "C"})


@given(st.lists(WORDS.map(str.strip), min_size=1, max_size=5))
def test_a_dialogue_can_be_taken_apart_again(said):
    said = said if len(said) % 2 else said[:-1]
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]
    assert as_messages(as_dialogue(messages)) == messages
    assert first_turn(as_dialogue(messages)) == said[0]


def test_a_text_without_turns_is_one_message():
    assert as_messages("TITLE: x\nTL;DR:") == [{"role": "user", "content": "TITLE: x\nTL;DR:"}]
    assert as_messages("Story\n\nHuman: x") == [{"role": "user", "content": "Story\n\nHuman: x"}]
