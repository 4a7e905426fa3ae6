"""``nodescope app``: the viewer, started from any folder."""

import signal
import subprocess
import sys
from typing import Any

import click

from core.commands import options
from core.job import ROOT


@options.command("app", context_settings={"ignore_unknown_options": True})
@options.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port.", show_default="8501, or the next free"
)
@options.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.argument("streamlit", nargs=-1, type=click.UNPROCESSED, metavar="[STREAMLIT OPTIONS]...")
def command(port: int | None, no_browser: bool, streamlit: tuple[str, ...]) -> int:
    """Start the viewer on this computer and open it in the browser; Ctrl+C ends it, and trainings go on.

    Other options are those of `streamlit run`, such as --server.baseUrlPath.
    """
    given = [*streamlit]
    if port is not None:
        given += ["--server.port", str(port)]
    if no_browser:
        given += ["--server.headless", "true"]
    # A process of its own, because its colours and progress go to the terminal as they are.
    server = subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app.py"), *given])

    def end(*_: Any) -> None:
        server.terminate()

    before = signal.signal(signal.SIGTERM, end)
    try:
        return server.wait()
    except KeyboardInterrupt:  # which the server has seen too
        return server.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
