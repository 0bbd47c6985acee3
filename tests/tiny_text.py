"""A tiny world of text: language models with random weights and rows whose truth a model can learn from the words."""

import json

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from outgrow.seeds import derive, generator

GOOD, BAD, PLAIN = ("lovely", "warm", "bright"), ("dull", "cold", "grey"), tuple("abcdefgh")
WORDS = ("0", "1", "<unk>", "<pad>", "[CLS]", "[SEP]", "Answer", ":", "yes", "no", *GOOD, *BAD, *PLAIN)
MODELS = {"bert-8": 8, "llama-12": 12, "llama-16": 16}


def write_models(root):
    """Write an encoder and two causal models of growing size, each with a tokenizer, as folders below `root`."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

    for name, width in MODELS.items():
        common = {
            "vocab_size": len(WORDS),
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 64,
            "initializer_range": 0.2,
            "pad_token_id": WORDS.index("<pad>"),
            "bos_token_id": None,
            "eos_token_id": None,
        }
        encoder = name.startswith("bert")
        with torch.random.fork_rng():
            torch.manual_seed(derive(0, "tiny", name))
            model = BertModel(BertConfig(**common)) if encoder else LlamaForCausalLM(LlamaConfig(**common))
        model.save_pretrained(root / name)
        _tokenizer(encoder).save_pretrained(root / name)
    return root


def _tokenizer(encoder):
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    if encoder:
        special = [(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")]
        tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")


def write_rows(root, *, num_rows=500):
    """Write sst2, openbookqa and hh_rlhf in the hub's columns below `root`: good words make a text the right one."""
    rng, again = generator(0, "tiny texts"), generator(0, "tiny pairs")

    def phrase(good, rng=rng):
        words = [*rng.choice(GOOD if good else BAD, 2), *rng.choice(PLAIN, rng.integers(2, 7))]
        return " ".join(rng.permutation(words).tolist())

    sst2 = [{"idx": i, "sentence": phrase(i % 2) + f" x{i}", "label": i % 2} for i in range(num_rows)]
    questions = []
    for i in range(num_rows):
        right = int(rng.integers(4))
        texts = [phrase(k == right) for k in range(4)]
        choices = {"text": texts, "label": list("ABCD")}
        questions.append({"id": f"q{i}", "question_stem": f"x{i} a b", "choices": choices, "answerKey": "ABCD"[right]})
    pairs = []
    for i in range(num_rows):
        talk = f"\n\nHuman: x{i} a b\n\nAssistant: "
        pairs.append({"chosen": talk + phrase(True, again), "rejected": talk + phrase(False, again)})
    for name, rows in (("sst2", sst2), ("openbookqa", questions), ("hh_rlhf", pairs)):
        (root / name).mkdir(parents=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (root / name / "train.jsonl").write_text(text, encoding="utf-8")
    return root
