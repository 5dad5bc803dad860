"""Configuration of a stack of layers, one primitive each: M (MLP), mA (attention), Mb (Mamba-2)."""

from transformers import PretrainedConfig

PRIMITIVES = ("M", "mA", "Mb")


class AiraStackConfig(PretrainedConfig):
    """`pattern` has a token per layer; widths are in features, `ssm_conv` in taps, `ssm_chunk` in tokens.

    `family` is "llama" (rotary positions, SwiGLU) or "nemotron" (no positions, squared ReLU without a gate).
    """

    model_type = "aira_stack"

    def __init__(
        self,
        family="llama",
        pattern=("mA", "M"),
        vocab_size=257,
        hidden_size=64,
        intermediate_size=176,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        ssm_inner=128,
        ssm_head_dim=32,
        ssm_state=16,
        ssm_groups=1,
        ssm_conv=4,
        ssm_chunk=64,
        rope_theta=500000.0,
        norm_eps=1e-5,
        max_position_embeddings=2048,
        **kwargs,
    ):
        if family not in ("llama", "nemotron"):
            raise ValueError(f"family must be llama or nemotron, got {family!r}")
        if not pattern or any(token not in PRIMITIVES for token in pattern):
            raise ValueError(f"pattern must be a list of {', '.join(PRIMITIVES)}")
        self.family = family
        self.pattern = list(pattern)
        self.num_hidden_layers = len(self.pattern)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = head_dim
        self.ssm_inner = ssm_inner
        self.ssm_head_dim = ssm_head_dim
        self.ssm_state = ssm_state
        self.ssm_groups = ssm_groups
        self.ssm_conv = ssm_conv
        self.ssm_chunk = ssm_chunk
        self.rope_theta = rope_theta
        self.norm_eps = norm_eps
        self.max_position_embeddings = max_position_embeddings
        kwargs.setdefault("use_cache", False)
        kwargs.setdefault("tie_word_embeddings", False)  # there is no head to tie: logits use the embedding itself
        super().__init__(**kwargs)
