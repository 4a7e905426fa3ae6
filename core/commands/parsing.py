"""How the command line is read: Click's classes with groups of options in the help and with hidden old spellings."""

import signal
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import click
from click.types import OptionHelpExtra


class Option(click.Option):
    """An option that stands under a heading of the help and may have old spellings, which the help does not show.

    Args:
        declarations: as in :func:`click.option`.
        group: the heading.
        aliases: the old spellings.
        given: what else :class:`click.Option` takes.
    """

    def __init__(self, *declarations: Any, group: str = "Options", aliases: Iterable[str] = (), **given: Any):
        super().__init__(*declarations, **given)
        self.group, self.aliases = group, tuple(aliases)

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Return what stands in brackets behind the help; a default in words gets no brackets of its own."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


class Command(click.Command):
    """A command whose help shows its options in groups, and which understands old spellings of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line after the command's name, old spellings as the new ones."""
        options = [each for each in self.params if isinstance(each, Option)]
        renamed = {alias: each.opts[0] for each in options for alias in each.aliases}
        for number, (name, equals, value) in enumerate(each.partition("=") for each in args):
            if name == "--":  # what follows are names of files, whatever they look like
                break
            if name in renamed:
                args[number] = renamed[name] + equals + value
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl+C is an exception meanwhile, so that it can put in order what it began."""
        before = signal.getsignal(signal.SIGINT)
        if getattr(before, "__name__", "") != "interrupted":  # see core/__main__.py
            return super().invoke(ctx)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        finally:
            signal.signal(signal.SIGINT, before)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each group general ones first."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}  # never empty: --help is one of them
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Group(click.Group):
    """Commands under one name; without one of them it prints its help, and a mistyped one gets a suggestion."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line up to the command's name."""
        return super().parse_args(ctx, args or ["--help"])

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of their definition."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant, under its present name, and the rest of the line.

        Raises:
            click.UsageError: there is no such command.
        """
        command = self.get_command(ctx, args[0])
        if command is not None:
            return command.name, command, args[1:]
        # Click suggests commands of its own from version 8.4 on, but only those that are loaded already.
        close = " or ".join(repr(name) for name in get_close_matches(args[0], self.list_commands(ctx)))
        raise click.UsageError(f"No such command {args[0]!r}." + (f" Did you mean {close}?" if close else ""), ctx)
