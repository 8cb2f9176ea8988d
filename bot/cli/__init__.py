"""The command line. One module a group; each imports what it needs inside its functions, so that `--help` is quick.

To add a group: a module with `group = typer.Typer(...)`, and one line in `_GROUPS`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from bot.cli import (
    access,
    api_key,
    backup,
    chat,
    database,
    doctor,
    jobs,
    memory,
    privacy,
    processes,
    profile,
    queue,
    setup,
    slack_manifest,
    version,
)
from bot.cli.common import report
from core.errors import MemoryChatError

app = typer.Typer(
    name="memorychat",
    help="A chat bot that remembers people and keeps its promises about it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (chat.chat, setup.setup, doctor.doctor, version.version, backup.backup, backup.restore):
    app.command()(command)
for process in (processes.run, processes.gateway, processes.worker, processes.web, processes.health):
    app.command()(process)
app.command("audit")(privacy.audit)
app.command("import")(privacy.import_)
app.command("slack-manifest")(slack_manifest.slack_manifest)

_GROUPS = {
    "access": access.group,
    "keys": privacy.group,
    "api-key": api_key.group,
    "memory": memory.group,
    "profile": profile.group,
    "db": database.group,
    "jobs": jobs.group,
    "queue": queue.group,
}
for name, group in _GROUPS.items():
    app.add_typer(group, name=name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 a sentence on stderr says why not, 2 wrong usage or
    settings, 130 Ctrl-C."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="memorychat")
    except MemoryChatError as error:
        sys.exit(report(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(report(error))
