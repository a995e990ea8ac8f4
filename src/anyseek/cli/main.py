"""`anyseek`: the group of commands, and the one table from error class to exit code."""

import errno
import os
import sys
from typing import Any

import click

import anyseek
from anyseek import errors
from anyseek.cli.bench import bench
from anyseek.cli.data import data
from anyseek.cli.demo import demo
from anyseek.cli.doctor import doctor
from anyseek.cli.embed import embed
from anyseek.cli.evaluate import evaluate
from anyseek.cli.index import index
from anyseek.cli.library import library
from anyseek.cli.merge import merge
from anyseek.cli.mine import mine
from anyseek.cli.models import models
from anyseek.cli.options import DEBUG
from anyseek.cli.plan import plan
from anyseek.cli.rerank import rerank
from anyseek.cli.score import score
from anyseek.cli.search import search
from anyseek.cli.serve import serve
from anyseek.cli.train import train

__all__ = ["EXIT_CODES", "exit_code", "main"]

EXIT_CODES: dict[type[Exception], int] = {
    errors.AnyseekError: 1,
    errors.ConfigError: 2,  # as click's own usage errors
    errors.InputError: 3,
    errors.SourceError: 4,
    errors.RefusedError: 5,
    errors.DecodeError: 6,
    errors.LimitError: 7,
    errors.CheckpointError: 8,
    errors.CapacityError: 9,
    errors.TrainingError: 10,
    errors.DependencyError: 11,
    errors.MismatchError: 12,
}
INTERNAL = 70  # sysexits.h EX_SOFTWARE: our fault, not the user's


def exit_code(error: Exception) -> int:
    """The exit code of an error: its own class's, or that of the nearest class above it."""
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), INTERNAL)


class Commands(click.Group):
    """A group that ends with a line and an exit code instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; report what it raises."""
        os.environ.setdefault("LANCEDB_LOG", "error")  # else the store tells users of its own housekeeping
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.meta.get(DEBUG) or getattr(error, "errno", None) == errno.EPIPE:
                raise
            _report(error)
            sys.exit(exit_code(error))


def _report(error: Exception) -> None:
    """One or two lines on standard error."""
    if isinstance(error, errors.AnyseekError):
        click.echo(f"error: {error}", err=True)
        return
    click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
    click.echo("This is a fault of anyseek; run it again with --debug to see where.", err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(anyseek.__version__, prog_name="anyseek")
def main() -> None:
    """Find anything with anything: text, images, document pages and video."""


for _command in (search, embed, rerank, plan, demo, doctor, bench, train, evaluate, merge, models, data, mine, score):
    main.add_command(_command)
main.add_command(index)
main.add_command(library)
main.add_command(serve)
