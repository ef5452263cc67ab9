"""Gateway with a fault in a task that sessions need: its history writer fails."""

import asyncio
import os
from pathlib import Path

from lite_gateway.__main__ import main
from lite_gateway.sessions.recorder import HistoryRecorder

FAULT_FILE = "recorder-fault"  # in the folder of the database; the fault begins with it


async def run(recorder: HistoryRecorder) -> None:
    """Fail as soon as the file exists, at each start again."""
    fault = Path(os.environ["LITE_DATABASE"]).parent / FAULT_FILE
    while True:
        await asyncio.sleep(0.05)
        if fault.exists():
            raise IndexError("tuple index out of range")


if __name__ == "__main__":
    HistoryRecorder.run = run  # type: ignore[method-assign]
    main()
