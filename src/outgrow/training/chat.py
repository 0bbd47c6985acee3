"""Dialogues in the form that a model was taught to answer: its tokenizer's own chat template."""

from dataclasses import replace

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from outgrow.errors import StepError
from outgrow.examples import Examples
from outgrow.tasks.dialogue import as_messages, is_dialogue


def as_chat(tokenizer: PreTrainedTokenizerBase, examples: Examples) -> Examples:
    """Return the rows with their prompts in the tokenizer's chat template, up to where the assistant is to speak.

    Completions follow at once, without the blank before them. StepError where the tokenizer has no template, or names
    the row whose prompt is no dialogue or is one that the template refuses, such as one with a system's turn.
    """
    if not tokenizer.chat_template:
        raise StepError("this model's tokenizer has no chat template: set training.chat_template to false")
    prompts = tuple(_prompt(tokenizer, *row) for row in zip(examples.ids, examples.texts, strict=True))
    completions = tuple(tuple(text.removeprefix(" ") for text in each) for each in examples.completions)
    return replace(examples, texts=prompts, completions=completions)


def _prompt(tokenizer: PreTrainedTokenizerBase, name: str, text: str) -> str:
    if not is_dialogue(text):
        raise StepError(f"the prompt of row {name} is no dialogue: set training.chat_template to false")
    try:
        prompt: str = tokenizer.apply_chat_template(as_messages(text), tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise StepError(f"the model's chat template refuses the dialogue of row {name}: {error}") from error
    added = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    # A tokenizer that begins every text by itself would do so twice.
    return prompt.removeprefix(tokenizer.bos_token) if added and tokenizer.bos_token else prompt
