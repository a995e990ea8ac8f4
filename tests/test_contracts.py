"""Promises to the outside: public names, exit codes, and that the text of the project matches what it does."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import anyseek
from anyseek import errors
from anyseek.cli.main import EXIT_CODES, exit_code, main

ROOT = Path(__file__).parents[1]


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def test_public_names() -> None:
    assert anyseek.__all__ == sorted(anyseek.__all__)
    assert set(anyseek.__all__) <= set(dir(anyseek))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        anyseek.Nothing  # noqa: B018


@pytest.mark.parametrize("name", anyseek.__all__)
def test_public_names_load_and_are_documented(name: str) -> None:
    assert getattr(anyseek, name).__doc__
    assert getattr(anyseek, name) is getattr(anyseek, name)


def test_every_error_class_has_its_exit_code() -> None:
    ours = {kind for kind in subclasses(errors.AnyseekError) if kind.__module__.startswith("anyseek")}
    assert ours == set(EXIT_CODES)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert {kind.__name__ for kind in ours} == set(errors.__all__)


def test_an_error_of_a_plugin_takes_the_nearest_code() -> None:
    class Mine(errors.DecodeError):
        pass

    assert exit_code(Mine("x")) == EXIT_CODES[errors.DecodeError]
    assert exit_code(ZeroDivisionError()) == 70


def test_errors_are_also_the_standard_ones() -> None:
    standard = {
        errors.ConfigError: ValueError,
        errors.InputError: ValueError,
        errors.SourceError: FileNotFoundError,
        errors.RefusedError: PermissionError,
        errors.CheckpointError: RuntimeError,
        errors.DependencyError: ImportError,
    }
    assert all(issubclass(ours, theirs) for ours, theirs in standard.items())


def commands(group: click.Group, prefix: str = "anyseek") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


def test_readme_commands_and_options_exist() -> None:
    known = dict(commands(main))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
    used = [line for line in lines if re.match(r"anyseek [a-z]", line)]
    assert used
    for line in used:
        words = line.split("#")[0].split()
        name = next(" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known)
        options = {o for p in known[name].params for o in (*p.opts, *p.secondary_opts)}
        unknown = [w for w in words if w.startswith("--") and w not in options]
        assert not unknown, f"{line}: {unknown}"


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{name} {parameter.opts[0]}"
        for name, command in commands(main)
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help and not isinstance(parameter.type, click.Choice)
    ]
    assert not silent
    assert all(command.help for _, command in commands(main))


def test_makefile_targets_named_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md", "docs/architecture.md"):
        named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / document).read_text(encoding="utf-8")))
        assert named <= targets, f"{document}: {named - targets}"


def test_version_is_in_the_changelog() -> None:
    assert f"[{anyseek.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_types_of_lazy_names_are_visible_to_type_checkers() -> None:
    assert (Path(anyseek.__file__).parent / "py.typed").is_file()
    assert typing.get_type_hints(anyseek.__getattr__)["return"] is typing.Any
