"""The stages of `qwen3_vl` for the model of eight billion weights.

anyseek train recipes.qwen3_vl_8b:s0 --dry-run
"""

from functools import partial

from recipes import qwen3_vl

__all__ = ["reranker", "s0", "s1", "s2", "s3"]

s0 = partial(qwen3_vl.s0, "8b")
s1 = partial(qwen3_vl.s1, "8b")
reranker = partial(qwen3_vl.reranker, "8b")
s2 = partial(qwen3_vl.s2, "8b")
s3 = partial(qwen3_vl.s3, "8b")
