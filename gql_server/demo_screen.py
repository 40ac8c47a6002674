"""What the demo shows in the terminal: the five rates of its campaign, moving; or lines, where that is no terminal."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gql_server.carrier import Carrier
from gql_server.domain.campaign import Campaign
from gql_server.domain.statistics import Statistics, rate
from gql_server.domain.status import INDICATOR_LABEL, STATUSES_OF, DeliveryIndicator

LINE_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""

_COLOUR = {
    DeliveryIndicator.RECEIPT: "green",
    DeliveryIndicator.PENDING: "blue",
    DeliveryIndicator.TEMPORARY_ERROR: "yellow",
    DeliveryIndicator.PERMANENT_ERROR: "red",
    DeliveryIndicator.UNSUBSCRIBE: "magenta",
}


class Board:
    """The campaign that is shown: set its attributes, and whatever shows it follows."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.campaign: Campaign | None = None
        self.statistics: Statistics | None = None
        self._began = time.monotonic()

    def __rich__(self) -> RenderableType:
        """The table."""
        if self.campaign is None or self.statistics is None:
            return Text("Waiting for the first figures ...")
        total = self.statistics.total
        rows = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        rows.add_column()
        rows.add_column()
        rows.add_column(justify="right")
        rows.add_column(justify="right")
        for indicator in STATUSES_OF:
            count = self.statistics.count(indicator)
            bar = ProgressBar(
                total=max(total, 1),
                completed=count,
                width=30,
                complete_style=_COLOUR[indicator],
                finished_style=_COLOUR[indicator],
            )
            share = rate(count, total)
            rows.add_row(
                INDICATOR_LABEL[indicator],
                bar,
                f"{count:,}",
                "-" if share is None else f"{share:.1%}",
            )
        title = Text.assemble((self.campaign.name, "bold"), f"  {self.campaign.state.value}")
        return Group(title, rows, Text(self._foot(), style="dim"))

    def line(self) -> str:
        """The same in one line."""
        if self.campaign is None or self.statistics is None:
            return "waiting for the first figures"
        rates = (
            f"{indicator.value} {rate(self.statistics.count(indicator), self.statistics.total) or 0:.1%}"
            for indicator in STATUSES_OF
        )
        return f"{self.campaign.state.value}  {'  '.join(rates)}  {self._foot()}"

    def _foot(self) -> str:
        assert self.statistics is not None
        seconds = int(time.monotonic() - self._began)
        return (
            f"{self.statistics.total:,} recipients, {self.carrier.posted:,} of {self.carrier.total:,} receipts, "
            f"revision {self.statistics.revision:,}, {seconds // 60}:{seconds % 60:02}"
        )


@contextlib.asynccontextmanager
async def shown(board: Board, console: Console) -> AsyncIterator[None]:
    """Show the board for as long as this lasts, and leave its last state on the screen."""
    if console.is_terminal and not console.is_dumb_terminal:
        # It draws in a thread of its own: a terminal that is held (Ctrl-S) must not hold the server.
        with Live(board, console=console, refresh_per_second=4):
            yield
        return
    lines = asyncio.create_task(_lines(board, console))
    try:
        yield
    finally:
        lines.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await lines
        say(console, board.line())


async def _lines(board: Board, console: Console) -> None:
    while True:
        await asyncio.sleep(LINE_EVERY)
        say(console, board.line())


def say(console: Console, text: str = "") -> None:
    """Print it as it is, on one line however long it is: a line that is to be copied must not be broken."""
    console.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)
