"""The size of a model: how many parameters it has without embeddings. Knows names and shapes only."""

import math
from collections.abc import Mapping, Sequence

EMBEDDING_NAMES = (
    "wte",
    "wpe",
    "embed",  # embed_tokens, embed_out, word_embeddings, bert.embeddings...
    "lm_head",
    "cls.predictions.decoder",
    "vocab_projector",
    "relative_attention_bias",
)
BUFFER_NAMES = ("masked_bias", "inv_freq", "position_ids", "token_type_ids")
"""What old checkpoints store beside their parameters: masks and tables."""


def non_embedding(shapes: Mapping[str, Sequence[int]]) -> int:
    """Return the number of parameters in tensors of these names and shapes that embed no token and no position.

    The output matrix counts as an embedding (many models share the two), stored masks and tables count as nothing.
    """
    return sum(math.prod(shape) for name, shape in shapes.items() if not _left_out(name, shape))


def _left_out(name: str, shape: Sequence[int]) -> bool:
    mask = len(shape) == 4 and name.endswith((".attn.bias", ".attention.bias"))
    return mask or any(part in name for part in EMBEDDING_NAMES) or name.endswith(BUFFER_NAMES)
