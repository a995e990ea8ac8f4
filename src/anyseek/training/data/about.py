"""What a dataset is called and what it trains: `dataset.json`, and the rules of each task."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyseek.errors import ConfigError, InputError, nearest

__all__ = ["ABOUT", "FORMAT", "TABLES", "TASKS", "About", "check_keys"]

FORMAT = 1
"""Version of the folder's form; raised when an older reader would misunderstand it."""

ABOUT = "dataset.json"
TABLES = ("queries", "corpus", "relevance")
TASKS = ("retrieval", "classification", "sts", "qa", "moment_retrieval", "reranking")
KEYS = ("format", "name", "task", "instruction")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The head of a dataset.

    Attributes:
        name: what it is called.
        task: one of `TASKS`.
        instruction: of every query that has none of its own; None leaves the choice to the model.
    """

    name: str
    task: str = "retrieval"
    instruction: str | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for an empty name, an unknown task or an instruction that is no text."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError(f"a dataset needs a name (got {self.name!r})")
        if self.task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)} (got {self.task!r})")
        if self.instruction is not None and not isinstance(self.instruction, str):
            raise ConfigError(f"the instruction must be a text (got {type(self.instruction).__name__})")

    @classmethod
    def read(cls, folder: Path) -> "About":
        """The head of the dataset in a folder.

        Raises:
            InputError: it is missing, damaged, or of a newer format.
        """
        path = folder / ABOUT
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{folder} is not a dataset: {ABOUT} cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise InputError(f"{path} is not JSON ({error})") from error
        if not isinstance(found, dict):
            raise InputError(f"{path} must hold one object (got {type(found).__name__})")
        check_keys(found, KEYS, str(path))
        if found.get("format") != FORMAT:
            raise InputError(
                f"{path}: format must be {FORMAT} (got {found.get('format')!r}); a newer anyseek may read it"
            )
        try:
            return cls(name=found.get("name", ""), task=found.get("task", ""), instruction=found.get("instruction"))
        except ConfigError as error:
            raise InputError(f"{path}: {error}") from error

    def write(self, folder: Path) -> None:
        """Write the head into a folder."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=2)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")

    def lacks(self, relevance: Mapping[str, Any]) -> str | None:
        """What the task needs of a row of relevance and the row has not, as words; None if it has all."""
        if self.task == "sts":
            return None if relevance["scores"] else "an sts row needs scores"
        if self.task == "reranking":
            some = relevance["positives"] or relevance["negatives"]
            return None if some else "a reranking row needs positives or negatives"
        return None if relevance["positives"] else f"a {self.task} row needs at least one positive"


def check_keys(row: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise InputError for the first key that is not known, with the one that was probably meant."""
    for key in row:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}{nearest(key, known)}")
