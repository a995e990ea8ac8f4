"""The small tokenizer of the bundled pair: byte-level BPE of the world's words, Qwen's special tokens by name."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from anyseek import world
from anyseek.processing import template
from anyseek.world.lexicon import name, objects

__all__ = ["SPECIAL", "write_tokenizer"]

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
"""How Qwen's tokenizers cut text before merging."""


def write_tokenizer(folder: Path, *, vocab: int, append_end: bool, queries: int = 60_000) -> None:
    """Learn and write `tokenizer.json` and `tokenizer_config.json`.

    Args:
        folder: where to.
        vocab: size, special tokens included.
        append_end: whether the post-processor appends `<|endoftext|>`, as the published embedding tokenizers do.
        queries: texts of the world learnt from.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab - len(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(queries), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    if append_end:
        end = SPECIAL[0]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
        )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "Qwen2TokenizerFast",
        "pad_token": SPECIAL[0],
        "eos_token": "<|im_end|>",
        "model_max_length": 32768,
        "additional_special_tokens": list(SPECIAL[1:]),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _texts(queries: int) -> Iterator[str]:
    """Everything the model will read: prompts, names in every language, queries and notes."""
    prompt = "\n".join(
        [template.JUDGE, template.DEFAULT_EMBEDDING_INSTRUCTION, template.DEFAULT_RERANKING_INSTRUCTION]
        + [f"<Instruct>: {line}<Query>:\n<Document>:" for line in world.INSTRUCTIONS.values()]
        + ["system\n user\n assistant\n yes no", "<0.5 seconds> <1.5 seconds> <12.0 seconds>"]
    )
    yield from itertools.repeat(prompt, 200)
    for language in world.languages():
        for entity in objects():
            spelt = name(entity.id, language)
            yield from itertools.repeat(f"{spelt} {spelt}", 4 if spelt else 0)
    for pair in itertools.islice(world.pairs(0, mix=world.Mix(pictures=0, negatives=0)), queries):
        yield pair.query.text
        if pair.positive.kind == "note":
            yield str(pair.positive.draw())
