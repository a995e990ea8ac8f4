"""The stages of `qwen3_vl` for the model of two billion weights.

anyseek train recipes.qwen3_vl_2b:s0 --dry-run
"""

from functools import partial

from recipes import qwen3_vl

__all__ = ["reranker", "s0", "s1", "s2", "s3"]

s0 = partial(qwen3_vl.s0, "2b")
s1 = partial(qwen3_vl.s1, "2b")
reranker = partial(qwen3_vl.reranker, "2b")
s2 = partial(qwen3_vl.s2, "2b")
s3 = partial(qwen3_vl.s3, "2b")
