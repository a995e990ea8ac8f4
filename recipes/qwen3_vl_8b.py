"""The stages of `qwen3_vl` for the model of eight billion weights.

anyseek train recipes.qwen3_vl_8b:s0 --dry-run
"""

from functools import partial

from recipes import qwen3_vl

__all__ = ["reranker", "s0", "s1", "s2", "s3"]

s0, s1, reranker, s2, s3 = (partial(stage, "8b") for stage in qwen3_vl.STAGES)
