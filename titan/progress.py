"""A progress bar on standard error: silent for programs, and what the outcome is never hangs on."""

from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn


class Bar:
    """One bar after the other. `disable` shows nothing."""

    def __init__(self, *, disable: bool) -> None:
        self._progress = Progress(
            *Progress.get_default_columns()[:2],
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=disable,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def total(self, what: str, count: int) -> None:
        """So many are to be done from here on."""
        self._task = self._progress.add_task(what, total=count)

    def advance(self, count: int) -> None:
        """So many more are done."""
        if self._task is not None:
            self._progress.advance(self._task, count)
