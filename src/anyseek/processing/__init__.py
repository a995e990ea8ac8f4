"""Items to samples: prompts, token ids, pixel rules, positions, and plans made before decoding."""

from anyseek.processing.chat import embedding_chat_template, reranking_chat_template
from anyseek.processing.layout import Visual
from anyseek.processing.processor import Plan, Prepared, Processor, ProcessorOptions, grid_of
from anyseek.processing.tokenizer import Tokenizer

__all__ = [
    "Plan",
    "Prepared",
    "Processor",
    "ProcessorOptions",
    "Tokenizer",
    "Visual",
    "embedding_chat_template",
    "grid_of",
    "reranking_chat_template",
]
