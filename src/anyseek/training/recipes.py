"""Recipes by name: a function gives a stage, settings from the command line change it, and wrong names are refused."""

import dataclasses
import importlib
import json
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch

from anyseek.errors import ConfigError, nearest
from anyseek.training.fields import as_data, by_name
from anyseek.training.stage import Stage

__all__ = ["as_data", "as_settings", "changed", "load_recipe"]

PYTHON = {"None": None, "True": True, "False": False}
"""Words that are taken as Python means them, as JSON's `null`, `true` and `false`."""


def load_recipe(name: str) -> Stage:
    """The stage of a recipe function without arguments.

    Args:
        name: `package.module:function`; the working directory is looked at too.

    Raises:
        ConfigError: there is no such module or function, or it gives something else.
    """
    module_name, _, function = name.partition(":")
    if not function:
        raise ConfigError(f"a recipe is named module:function, such as recipes.tiny:s1 (got {name!r})")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"no module {error.name!r} for the recipe {name!r}; run from the folder that holds it"
        ) from error
    made = getattr(module, function, None)
    if not callable(made):
        known = [each for each in getattr(module, "__all__", dir(module)) if not each.startswith("_")]
        raise ConfigError(f"{module_name} has no recipe {function!r}{nearest(function, known)}")
    stage = made()
    if not isinstance(stage, Stage):
        raise ConfigError(f"{name} gives a {type(stage).__name__}, not a Stage")
    return stage


def changed(stage: Stage, settings: Iterable[str]) -> Stage:
    """The stage with settings `path.to.field=value`; values are JSON, a bare word, or words between commas for a list.

    Fields of one of several sources are `sources.0.queries`.

    Raises:
        ConfigError: an unknown field (the message names the nearest), or a value of another type.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"a setting is written field=value (got {setting!r})")
        found = _set(stage, path.split("."), _value(text), path)
        assert isinstance(found, Stage)
        stage = found
    return stage


def as_settings(stage: Stage) -> list[str]:
    """Every field of a stage as a setting that `changed` takes."""
    return [f"{name}={_text(value)}" for name, value in by_name(as_data(stage))]


def _set(owner: Any, path: Sequence[str], value: Any, whole: str) -> Any:
    """A copy with one field changed."""
    name, rest = path[0], path[1:]
    if isinstance(owner, tuple):
        if not name.isdigit() or int(name) >= len(owner):
            raise ConfigError(f"{whole}: there are {len(owner)}, numbered from 0 (got {name!r})")
        place = int(name)
        return (*owner[:place], _set(owner[place], rest, value, whole), *owner[place + 1 :])
    if not dataclasses.is_dataclass(owner):
        raise ConfigError(f"{whole}: {name!r} is inside a value that has no fields; set the whole value")
    fields = [field.name for field in dataclasses.fields(owner)]
    if name not in fields:
        raise ConfigError(f"{whole}: there is no {name!r}{nearest(name, fields)}")
    if rest:
        new = _set(getattr(owner, name), rest, value, whole)
    else:
        new = _typed(value, get_type_hints(type(owner))[name], whole)
    return dataclasses.replace(owner, **{name: new})  # type: ignore[type-var]


def _text(value: Any) -> str:
    """What `_value` reads as the value: a bare word where that is enough."""
    bare = isinstance(value, str) and _value(value) == value
    return value if bare else json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Any:
    """JSON, or the text itself."""
    if text in PYTHON:
        return PYTHON[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _typed(value: Any, wanted: Any, where: str) -> Any:
    """The value as the field has it."""
    origin, choices = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in choices:
            return None
        return _typed(value, next(one for one in choices if one is not type(None)), where)
    if isinstance(value, str):
        value = _meant(value, wanted)
    if origin is Literal:
        if value not in choices:
            raise ConfigError(f"{where} must be one of {', '.join(map(str, choices))} (got {value!r})")
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_typed(one, choices[0], where) for one in value)
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(wanted, type) and type(value) is wanted:
        return value
    name = getattr(wanted, "__name__", str(wanted)) if origin is None else str(wanted)
    raise ConfigError(f"{where} must be of type {name} (got {value!r})")


def _meant(word: str, wanted: Any) -> Any:
    """What a word stands for where no text is wanted: several words between commas, or the name of a dtype."""
    if get_origin(wanted) is tuple:
        return [_value(one.strip(" '\"")) for one in word.strip("[()]").split(",") if one.strip()]
    return getattr(torch, word.removeprefix("torch."), word) if wanted is torch.dtype else word
