"""The sizes and start values of one small model. Every proxy states all of them; there are no hidden defaults."""

from dataclasses import dataclass

from ..strict import positive


@dataclass(frozen=True)
class Sizes:
    """Widths are in features, rotary_base is dimensionless, dt_* are step sizes of the state space in tokens."""

    width: int
    attention_heads: int
    attention_bias: bool
    rotary_base: float
    ffn_inner: int
    ssm_inner: int
    ssm_heads: int
    ssm_state: int
    ssm_conv: int
    ssm_chunk: int
    dt_min: float
    dt_max: float
    a_min: float
    a_max: float
    norm_gain: bool
    embedding_std: float
    depth_scaled_outputs: bool

    def __post_init__(self) -> None:
        positive(self, "width", "attention_heads", "rotary_base", "ffn_inner", "ssm_inner", "ssm_heads", "ssm_state")
        positive(self, "ssm_conv", "ssm_chunk", "dt_min", "a_min", "embedding_std")
        if self.width % self.attention_heads or (self.width // self.attention_heads) % 2:
            raise ValueError("width must split into attention_heads heads of even size (rotary positions turn pairs)")
        if self.ssm_inner % self.ssm_heads:
            raise ValueError("ssm_inner must be a multiple of ssm_heads")
        if self.dt_max < self.dt_min or self.a_max < self.a_min:
            raise ValueError("dt_max and a_max must not be below dt_min and a_min")
