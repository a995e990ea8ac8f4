"""Evaluation: metrics of rankings (tasks, MMEB-V2 and `doctor` come with later issues)."""

from anyseek.evaluation.metrics import hit_rate, ndcg, random_hit_rate, random_ndcg

__all__ = ["hit_rate", "ndcg", "random_hit_rate", "random_ndcg"]
