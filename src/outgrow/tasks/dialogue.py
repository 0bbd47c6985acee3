"""Dialogues as one text, in the form of Anthropic's sets, and back, for models with a chat template of their own."""

import re
from collections.abc import Mapping, Sequence

TURNS = {"user": "\n\nHuman:", "assistant": "\n\nAssistant:", "system": "\n\nSystem:"}
_TURN = re.compile("(" + "|".join(TURNS.values()) + ")")


def as_dialogue(messages: Sequence[Mapping[str, str]]) -> str:
    """Return messages (role, content) as one text that ends where the assistant is to speak."""
    return "".join(f"{TURNS[m['role']]} {m['content'].strip()}" for m in messages) + TURNS["assistant"]


def as_messages(dialogue: str) -> list[dict[str, str]]:
    """Return the messages of a prompt, the last being what is to be answered; a text without turns is one message."""
    before, *parts = _TURN.split(dialogue)
    if not parts or before.strip():
        return [{"role": "user", "content": dialogue}]
    roles = {mark: role for role, mark in TURNS.items()}
    turns = [(roles[mark], said.strip()) for mark, said in zip(parts[::2], parts[1::2], strict=True)]
    if turns[-1] == ("assistant", ""):
        del turns[-1]
    return [{"role": role, "content": said} for role, said in turns]


def is_dialogue(text: str) -> bool:
    """Return whether a text is a prompt of this form: turns, up to where the assistant is to speak."""
    return text.startswith(tuple(TURNS.values())) and text.rstrip().endswith(TURNS["assistant"].strip())


def first_turn(dialogue: str) -> str:
    """Return what the user says first: dialogues that begin alike are about the same thing."""
    return next((m["content"] for m in as_messages(dialogue) if m["role"] == "user"), dialogue)
