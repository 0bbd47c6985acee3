"""Formatters of the text sets: (row without its label, number of the answer) -> text. Pure; none sees a label.

An answer is put in the same form whether it is right or wrong, alone, without the others beside it. What is asked
stands last, for over-long texts lose their beginning. The wording is our own: the paper gives none.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from outgrow.tasks.rows import Row
from outgrow.tasks.sets import HIDDEN, BadValueError

FORMATS: dict[str, Callable[[Row, int], str]] = {
    "boolq": lambda row, _: f"{row['passage']}\n{sentence(row['question'])}?",
    "cosmos_qa": lambda row, i: f"{row['context']}\n{row['question']}\n{row[f'answer{i}']}",
    "dream": lambda row, i: "\n".join([*row["dialogue"], row["question"], row["choice"][i]]),
    "ethics_justice": lambda row, _: row["scenario"],
    "ethics_deontology": lambda row, _: f"{row['scenario']}\n{row['excuse'].strip()}",
    "ethics_virtue": lambda row, _: "\n".join(part.strip() for part in row["scenario"].split("[SEP]")),
    "ethics_utilitarianism": lambda row, _: f"First: {row['first']}\nSecond: {row['second']}",
    "anli_r2": lambda row, _: f"{row['premise']}\nClaim: {row['hypothesis']}",
    "cola": lambda row, _: row["sentence"],
    "sst2": lambda row, _: row["sentence"].strip(),
    "hellaswag": lambda row, i: f"{row['ctx']} {row['endings'][i].strip()}",
    "mctaco": lambda row, _: f"{row['sentence']}\n{row['question']}\n{row['answer']}",
    "openbookqa": lambda row, i: f"{row['question_stem']}\n{row['choices']['text'][i]}",
    "paws": lambda row, _: f"{row['sentence1']}\n{row['sentence2']}",
    "quail": lambda row, i: f"{row['context']}\n{row['question']}\n{row['answers'][i]}",
    "piqa": lambda row, i: f"{row['goal']}\n{row[('sol1', 'sol2')[i]]}",
    "quartz": lambda row, i: f"{row['para']}\n{row['question']}\n{row['choices']['text'][i]}",
    "sciq": lambda row, i: f"{row['question']}\n{row['answers'][i]}",
    "social_i_qa": lambda row, i: f"{row['context']}\n{row['question']}\n{row['answer' + 'ABC'[i]]}",
    "multirc": lambda row, _: f"{row['paragraph']}\n{row['question']}\n{row['answer']}",
    "wic": lambda row, _: f"{row['sentence1']}\n{row['sentence2']}\n{row['word']}",
    "twitter_sentiment": lambda row, _: row["text"],
    "amazon_polarity": lambda row, _: f"{row['title']}\n{row['content']}",
}


def sentence(text: str) -> str:
    """Return the text with a capital at its start, without the mark that is put after it."""
    bare = text.strip().rstrip("?").strip()
    return bare[:1].upper() + bare[1:]


def class_of(column: str, values: Iterable[Any] = (0, 1)) -> Callable[[Row], int]:
    """Return how the class of a row is told: the place of the column's value among these; -1 and blank are hidden."""
    places = {plain_value(value): i for i, value in enumerate(values)}

    def truth(row: Row) -> int:
        value = plain_value(row[column])
        if value in places:
            return places[value]
        if value in ("", "-1"):
            return HIDDEN
        raise BadValueError(column, row[column], f"one of {', '.join(places)}")

    return truth


def plain_value(value: object) -> str:
    """Return a label as it is compared: 1, 1.0 and "1" are the same, and so are true and "True"; None is blank."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def entailed(row: Row) -> int:
    """Tell whether the claim follows from the text: label 0 of 0 (it does), 1 (neutral) and 2 (contradiction)."""
    place = class_of("label", (0, 1, 2))(row)
    return place if place == HIDDEN else int(place == 0)


def answer_key(row: Row) -> int:
    """Tell the right answer of sets whose choices have letters."""
    letters = [plain_value(each) for each in choices(row)["label"]]
    value = plain_value(row["answerKey"])
    if value in letters:
        return letters.index(value)
    if value == "":
        return HIDDEN
    raise BadValueError("answerKey", row["answerKey"], f"one of {', '.join(letters)}")


def choices(row: Row) -> dict[str, list[Any]]:
    """Return the table of choices; BadValueError where it is not one of equally many texts and letters."""
    table: dict[str, list[Any]] = row["choices"]
    if not all(isinstance(table.get(name), list) for name in ("text", "label")):
        raise BadValueError("choices", table, "a table with the lists text and label")
    if len(table["text"]) != len(table["label"]):
        raise BadValueError("choices", table, "a table with as many texts as labels")
    return table


def right_text(row: Row) -> int:
    """Tell the right answer of DREAM, which is given as its text."""
    if row["answer"] not in row["choice"]:
        raise BadValueError("answer", row["answer"], "one of the texts in choice")
    return int(row["choice"].index(row["answer"]))


SCIQ_ANSWERS = ("correct_answer", "distractor1", "distractor2", "distractor3")


def sciq_fields(row: Row) -> Row:
    """Put the answers in the order of the alphabet: that of the columns tells the right one."""
    return {"question": row["question"], "answers": sorted(row[name] for name in SCIQ_ANSWERS)}


def sciq_truth(row: Row) -> int:
    """Tell the place of the right answer in the order of the alphabet."""
    return int(sciq_fields(row)["answers"].index(row["correct_answer"]))


def pair_fields(row: Row) -> Row:
    """Put the two scenarios in the order of a hash of each: that of the columns tells the more pleasant one."""
    pair = sorted((row["baseline"], row["less_pleasant"]), key=lambda text: hashlib.sha256(text.encode()).digest())
    return {"first": pair[0], "second": pair[1]}


def pair_truth(row: Row) -> int:
    """Tell whether the first scenario is the more pleasant one."""
    return int(pair_fields(row)["first"] == row["baseline"])
