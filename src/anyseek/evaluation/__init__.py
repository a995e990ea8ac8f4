"""Evaluation: metrics of rankings; `tasks`, `bench` and `conformance` are rooms of their own below it."""

from anyseek.evaluation.metrics import hit_rate, ndcg, random_hit_rate, random_ndcg, spearman

__all__ = ["hit_rate", "ndcg", "random_hit_rate", "random_ndcg", "spearman"]
