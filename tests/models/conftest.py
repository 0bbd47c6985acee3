"""One tiny random model of every family, with a small tokenizer, as folders that the library loads."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

WORDS = ("!", "0", "1", *"abcdefghijklmnop", "yes", "no", "<s>", "[CLS]", "[SEP]", "<pad>", "<unk>")
"""Id 0 is a word like others, as in GPT-2."""
IDS = {word: i for i, word in enumerate(WORDS)}
SIZE, WIDTH = len(WORDS), 16


def _tokenizer(kind):
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel(IDS, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    template = {"bos": "<s> $A", "encoder": "[CLS] $A [SEP]"}.get(kind)
    if template:
        special = [(word, IDS[word]) for word in template.split() if word != "$A"]
        tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=special)
    pad = {"pad_token": "<pad>"} if kind == "encoder" else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **pad)


def _configs():
    import transformers as t

    common = {"vocab_size": SIZE, "initializer_range": 0.2}
    special = {"bos_token_id": IDS["<s>"], "eos_token_id": None, "pad_token_id": None}
    llama = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32} | common
    grouped = llama | special | {"num_key_value_heads": 2, "max_position_embeddings": 40, "head_dim": 4}
    bert = llama | {"max_position_embeddings": 40, "pad_token_id": IDS["<pad>"]}
    return {
        "gpt2": (t.GPT2LMHeadModel, t.GPT2Config(n_embd=16, n_layer=2, n_head=4, n_positions=40, **common, **special)),
        "neox": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(max_position_embeddings=40, **llama, **special)),
        "opt": (
            t.OPTForCausalLM,
            t.OPTConfig(
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=4,
                ffn_dim=32,
                word_embed_proj_dim=8,
                max_position_embeddings=40,
                vocab_size=SIZE,
                init_std=0.2,
                bos_token_id=IDS["<s>"],
                eos_token_id=None,
                pad_token_id=1,
            ),
        ),
        "qwen3": (t.Qwen3ForCausalLM, t.Qwen3Config(**grouped)),
        "mistral": (t.MistralForCausalLM, t.MistralConfig(sliding_window=4, **grouped)),
        "llama": (t.LlamaForCausalLM, t.LlamaConfig(tie_word_embeddings=True, **grouped)),
        "gemma2": (
            t.Gemma2ForCausalLM,
            t.Gemma2Config(final_logit_softcapping=2.0, query_pre_attn_scalar=4, sliding_window=4, **grouped),
        ),
        "gemma3": (
            t.Gemma3ForCausalLM,
            t.Gemma3TextConfig(
                sliding_window=4,
                layer_types=["sliding_attention", "full_attention"],
                query_pre_attn_scalar=4,
                **grouped,
            ),
        ),
        "bert": (t.BertModel, t.BertConfig(**bert)),
        "bert-mlm": (t.BertForMaskedLM, t.BertConfig(**bert)),
        "roberta": (t.RobertaModel, t.RobertaConfig(type_vocab_size=1, **bert | {"max_position_embeddings": 70})),
        "distilbert": (
            t.DistilBertModel,
            t.DistilBertConfig(
                dim=16,
                n_layers=2,
                n_heads=4,
                hidden_dim=32,
                max_position_embeddings=40,
                pad_token_id=IDS["<pad>"],
                **common,
            ),
        ),
        "modernbert": (
            t.ModernBertModel,
            t.ModernBertConfig(
                local_attention=8,
                global_attn_every_n_layers=2,
                cls_token_id=IDS["[CLS]"],
                sep_token_id=IDS["[SEP]"],
                bos_token_id=None,
                eos_token_id=None,
                **bert,
            ),
        ),
        "deberta": (t.DebertaV2Model, t.DebertaV2Config(relative_attention=True, pos_att_type=["c2p", "p2c"], **bert)),
    }


WITH_BOS = ("opt", "mistral", "llama", "gemma2", "gemma3")
ENCODERS = ("bert", "bert-mlm", "roberta", "distilbert", "modernbert", "deberta")


@pytest.fixture(scope="session")
def families(tmp_path_factory):
    """Return the folder of a tiny random model of each family."""
    import torch

    from outgrow.models.heads import quiet

    quiet()
    root = tmp_path_factory.mktemp("families")
    for number, (name, (made, config)) in enumerate(_configs().items()):
        with torch.random.fork_rng():
            torch.manual_seed(number)
            model = made(config)
            for parameter in model.parameters():  # norms and biases differ from their neutral starting values
                parameter.data += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(root / name)
        kind = "encoder" if name in ENCODERS else "bos" if name in WITH_BOS else "plain"
        _tokenizer(kind).save_pretrained(root / name)
    return {name: root / name for name in _configs()}
