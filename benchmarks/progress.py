"""The bars that are drawn while it takes its time."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def shown() -> Progress:
    """Bars on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # seldom: drawing it costs the client, which is measured beside the servers
    console = Console(stderr=True)
    return Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=1)
