"""The checkpoint's own tokenizer, through the `tokenizers` library; ids are read from it, never assumed."""

import functools
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from anyseek.errors import CheckpointError

__all__ = ["Tokenizer"]


class Tokenizer:
    """Text to ids.

    Attributes:
        suffix: ids that the checkpoint's post-processor appends to every prompt (`<|endoftext|>` or nothing).
    """

    def __init__(self, folder: Path) -> None:
        """Read `tokenizer.json` of a model folder.

        Raises:
            CheckpointError: the file is missing or broken, or its post-processor puts tokens in front.
        """
        path = folder / "tokenizer.json"
        if not path.exists():
            raise CheckpointError(f"{path} is missing: is {folder} a model folder?")
        try:
            self._tokenizer = FastTokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a malformed file
            raise CheckpointError(f"{path} is broken ({error}); download it again") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        plain, framed = (self._tokenizer.encode("a", add_special_tokens=flag).ids for flag in (False, True))
        if framed[: len(plain)] != plain:
            raise CheckpointError(f"{path} puts tokens in front of the prompt, which these models do not")
        self.suffix = tuple(framed[len(plain) :])

    @property
    def size(self) -> int:
        """One more than the largest id."""
        ids: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return max(ids.values()) + 1

    def token_id(self, token: str) -> int:
        """The id of one token.

        Raises:
            CheckpointError: the vocabulary does not have it.
        """
        found: int | None = self._tokenizer.token_to_id(token)
        if found is None:
            raise CheckpointError(f"the tokenizer has no token {token!r}, which these models need")
        return found

    def yes_no_ids(self) -> tuple[int, int]:
        """The ids of "yes" and "no", whose rows of the output head make the score.

        Raises:
            CheckpointError: one of them is not a single token.
        """
        return self._single("yes"), self._single("no")

    def _single(self, word: str) -> int:
        """The id of a word that must be one token."""
        ids = self.encode(word, parse_special=True)
        if len(ids) != 1:
            raise CheckpointError(f"the tokenizer splits {word!r} into {len(ids)} tokens; the score needs it to be one")
        return ids[0]

    def encode(self, text: str, *, parse_special: bool) -> list[int]:
        """Ids of a text.

        Args:
            text: raw text.
            parse_special: whether `<|im_end|>` and its like, written out in the text, become the special tokens. The
                reference does so; it lets a text forge a turn of the prompt.
        """
        ids: list[int] = self._encoding(text, parse_special).ids
        return ids

    def cut(self, text: str, tokens: int, *, parse_special: bool) -> str:
        """The longest beginning of the text that is about `tokens` tokens long, cut between tokens."""
        offsets = self._encoding(text, parse_special).offsets
        if tokens >= len(offsets):
            return text
        # A character split over several tokens has one span for all of them: leave it out whole.
        return text[: offsets[tokens][0]] if tokens > 0 else ""

    def _encoding(self, text: str, parse_special: bool) -> Any:
        """Encode without the post-processor."""
        tokenizer = self._tokenizer if parse_special else self._literal
        return tokenizer.encode(text, add_special_tokens=False)

    @functools.cached_property
    def _literal(self) -> Any:
        """The same tokenizer, to which special tokens written in a text are text; threads may use both at once."""
        twin = FastTokenizer.from_str(self._tokenizer.to_str())
        twin.encode_special_tokens = True
        return twin
