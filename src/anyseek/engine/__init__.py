"""The engine: Embedder and Reranker, which run the model on packed batches under a token budget."""

from anyseek.engine.embedder import Embedder, Encoded
from anyseek.engine.reranker import Reranker, Scored

__all__ = ["Embedder", "Encoded", "Reranker", "Scored"]
