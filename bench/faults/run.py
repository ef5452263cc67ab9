"""
Soak with faults, part of scenario ``soak``: three sessions speak at random.

Each minute one of ten faults happens, in a shuffled order. Every turn must be over
exactly once, no session may end unasked but for a LiveKit server that was killed,
/health and /ready must answer, and after each fault a new session must speak.
"""

import asyncio
import contextlib
import random
import shutil
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.faults.callers import CALLERS
from bench.faults.conversation import SessionOver, conversation
from bench.faults.outside import OUTSIDE, Fault
from bench.faults.probes import MAX_GROWTH, MAX_LATE_SHARE, PATHS, Probes
from bench.faults.site import Site, running_site
from bench.faults.talker import AVATARS, Talker, Tally
from bench.report.figures import Report
from lite_gateway.client import ServerRefused

FAULTS = (*OUTSIDE, *CALLERS)
PERIOD_S = 60.0  # between the beginnings of two faults
FIRST_S = 15.0  # before the first one
FAULT_S = 180.0  # for one fault: what takes longer hangs
RECOVERED_S = 60.0  # for a new session to speak after a fault
MIN_JUDGED_S = 600.0  # memory of a shorter run has not settled
QUIET = "no fault"
_RETRY_S = 0.5
_MAX_SHOWN = 5  # faults of a kind in the list of what failed
_OUTCOMES = ("sent", "started", "ended", "interrupted", "uncertain", "unaccounted")


@dataclass(slots=True)
class FaultRun:
    """Fault that runs now, and results of the faults so far."""

    now: str = QUIET
    recovery_s: defaultdict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    wrong: list[str] = field(default_factory=list)


def run_faults(
    minutes: float, seed: int, cache: Path, console: Console
) -> tuple[Report, list[str]]:
    """Run for some minutes; return the report and what failed."""
    console.print(f"soak: {len(AVATARS)} sessions, {minutes:g} minutes of faults")
    folder = Path(tempfile.mkdtemp(prefix="lite-soak-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    report = Report("soak", {"minutes": minutes, "seed": seed, "faults": len(FAULTS)})
    failed = asyncio.run(_soak(minutes * 60, seed, cache, folder, report, console))
    if failed:
        console.print(f"logs are in {folder}")
    else:
        shutil.rmtree(folder)
    return report, failed


async def _soak(
    seconds: float,
    seed: int,
    cache: Path,
    folder: Path,
    report: Report,
    console: Console,
) -> list[str]:
    run, tally = FaultRun(), Tally()
    async with (
        asyncio.TaskGroup() as readers,
        running_site(cache, folder, readers) as site,
    ):
        report.conditions["database"] = site.database.partition(":")[0]
        await _recover(site)  # warms up what sessions share
        before = await site.metrics()
        probes = Probes(lambda: run.now)
        with _probing(probes, site):
            until_s = time.monotonic() + seconds
            async with asyncio.TaskGroup() as group:
                for number, avatar in enumerate(AVATARS):
                    chance = random.Random(f"{seed}/{number}")
                    talker = Talker(site, avatar, chance, tally, lambda: run.now)
                    group.create_task(talker.run(until_s), name=f"talker {number}")
                order = _shuffled(random.Random(seed))
                group.create_task(_cause(site, run, order, until_s), name="faults")
                group.create_task(
                    _print_minutes(tally, probes, run, until_s, console), name="lines"
                )
        after = await site.metrics()
        increase = {name: after[name] - before.get(name, 0) for name in after}
        _add(report, tally, run, probes, increase)
        tracebacks = site.log.count("Traceback (most recent call last)")
        report.add("tracebacks in the log", "", [tracebacks])
        failed = _failed(tally, run, probes, increase, judged=seconds >= MIN_JUDGED_S)
        if tracebacks:
            failed.append(f"{tracebacks} tracebacks in the log")
        return failed


@contextlib.contextmanager
def _probing(probes: Probes, site: Site) -> Iterator[None]:
    stopping = threading.Event()
    arguments = (site.gateway.url, site.gateway.pid, stopping)
    thread = threading.Thread(target=probes.run, args=arguments, name="probes")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _shuffled(chance: random.Random) -> Iterator[Fault]:
    """Yield all faults in a random order, again and again."""
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


async def _cause(
    site: Site, run: FaultRun, order: Iterator[Fault], until_s: float
) -> None:
    await asyncio.sleep(FIRST_S)
    for fault in order:
        since_s = time.monotonic()
        if since_s + PERIOD_S / 2 > until_s:
            return
        run.now = fault.name
        try:
            async with asyncio.timeout(FAULT_S):
                wrong = await fault.inject(site)
        except Exception as error:  # boundary: the run goes on with the next fault
            wrong = [f"{type(error).__name__}: {error}"]
        run.wrong += [f"{fault.name}: {text}" for text in wrong]
        try:
            run.recovery_s[fault.name].append(await _recover(site))
        except TimeoutError:
            text = f"no new session spoke within {RECOVERED_S:.0f} s"
            run.wrong.append(f"{fault.name}: {text}")
        if not site.is_running():
            raise RuntimeError(f"the gateway has ended during {fault.name}")
        run.now = QUIET
        await asyncio.sleep(max(0.0, since_s + PERIOD_S - time.monotonic()))


async def _recover(site: Site) -> float:
    """Return the seconds until a new session has spoken."""
    since_s = time.monotonic()
    async with asyncio.timeout(RECOVERED_S):
        while True:
            try:
                async with conversation(site, AVATARS[0]) as talk:
                    await talk.speak(0.4)
                    await talk.settled()
                    return time.monotonic() - since_s
            except (ServerRefused, SessionOver):
                await asyncio.sleep(_RETRY_S)


async def _print_minutes(
    tally: Tally, probes: Probes, run: FaultRun, until_s: float, console: Console
) -> None:
    minutes = 0
    while (left_s := until_s - time.monotonic()) > 0:
        await asyncio.sleep(min(60.0, left_s))
        minutes += 1
        over = tally.count("ended") + tally.count("interrupted")
        console.print(
            f"{minutes:4} min: {tally.count('sent')} turns sent, {over} over, "
            f"{len(tally.lost)} sessions lost, {probes.memory[-1]:.0f} MB, "
            f"{probes.threads[-1]:.0f} threads, {probes.files[-1]:.0f} open files, "
            f"{len(run.wrong) + len(probes.faults) + len(tally.late)} wrong; {run.now}"
        )


def _add(
    report: Report,
    tally: Tally,
    run: FaultRun,
    probes: Probes,
    increase: dict[str, float],
) -> None:
    for name in _OUTCOMES:
        report.add(f"turns {name}", "", [tally.count(name)])
    report.add("sessions lost", "", [len(tally.lost)])
    for fault, count in Counter(lost.fault for lost in tally.lost).items():
        report.add(f"sessions lost by {fault}", "", [count])
    report.add("starts refused to talkers", "", [len(tally.starts_refused)])
    report.add("reconnections unasked", "", [tally.reconnects])
    for fault, times in run.recovery_s.items():
        report.add(f"recovery from {fault}", "s", times)
    for path in PATHS:
        times = [1000 * took_s for took_s in probes.answered_s[path]]
        report.add(f"answer of {path}", "ms", times)
    report.add("answers later than 2 s", "%", [100 * probes.late_share()])
    report.add("answers that it is not ready", "", [probes.not_ready])
    report.add("memory", "MB", probes.memory)
    growth = 100 * (probes.growth() - 1)
    report.add("memory, last third over second third", "%", [growth])
    report.add("threads", "", probes.threads)
    report.add("open files", "", probes.files)
    report.add("task restarts", "", [_sum(increase, "lite_task_restarts_total")])
    report.add("SDK panics", "", [_sum(increase, "lite_sdk_panics_total")])
    report.add("joins late", "", [_sum(increase, "lite_joins_late_total")])
    dropped = _sum(increase, "lite_history_dropped_total")
    report.add("history writes dropped", "", [dropped])
    frames = increase["lite_frames_total"]
    skipped = increase["lite_frames_skipped_total"]
    report.add("frames", "", [frames])
    report.add("frames skipped", "%", [100 * skipped / max(1.0, frames + skipped)])
    left_out = _sum(increase, "lite_frames_left_out_total")
    report.add("frames left out", "%", [100 * left_out / max(1.0, frames + left_out)])


def _sum(increase: dict[str, float], name: str) -> float:
    """Return the increase of a metric over all its labels."""
    return sum(more for key, more in increase.items() if key.partition("{")[0] == name)


def _failed(
    tally: Tally,
    run: FaultRun,
    probes: Probes,
    increase: dict[str, float],
    *,
    judged: bool,
) -> list[str]:
    may_end = {fault.name for fault in FAULTS if fault.may_end_sessions}
    unasked = [
        f"a session was lost during {lost.fault}: {lost.reason}"
        for lost in tally.lost
        if lost.fault not in may_end
    ]
    odd = [text for account in tally.accounts for text in account.faults]
    failed: list[str] = []
    for texts in (run.wrong, unasked, odd, tally.late, probes.faults):
        failed += texts[:_MAX_SHOWN]
        if len(texts) > _MAX_SHOWN:
            failed.append(f"and {len(texts) - _MAX_SHOWN} more")
    if unaccounted := tally.count("unaccounted"):
        failed.append(f"{unaccounted} turns were not over")
    if (share := probes.late_share()) > MAX_LATE_SHARE:
        failed.append(f"{100 * share:.1f} % of the probes took longer than 2 s")
    if judged and (growth := probes.growth()) > MAX_GROWTH:
        failed.append(f"memory grew by {100 * (growth - 1):.1f} %")
    for name in ("lite_task_restarts_total", "lite_sdk_panics_total"):
        if count := _sum(increase, name):
            failed.append(f"{name} rose by {count:.0f}")
    return failed
