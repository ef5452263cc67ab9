"""
Pytest hooks that mark the unit tests, and that order the tests of several processes.

pytest-xdist gives whole files to its workers, so that the tests of a file share their
fixtures.
"""

import functools
import gc
from collections.abc import Generator
from pathlib import Path

import pytest

# Fixtures that run a program -> mark of the tests that use them.
PROGRAMS = {
    "livekit_binary": "livekit",
    "chromium": "browser",
    "firefox": "browser",
    "postgres": "postgres",
    "promtool": "program",
    "wheel": "process",
}
TESTS = Path(__file__).parent
# Folders, and files elsewhere, whose unit tests only compute: the result depends on no
# other program and on no time, however seldom they have a processor.
COMPUTING = {
    TESTS / name
    for name in (
        *("creation", "offline", "playout", "protocol", "renderer", "training"),
        *("bench/test_budgets.py", "bench/test_latency.py", "bench/test_listening.py"),
        *("bench/test_lips_in_room.py", "conversation/speech/test_sound.py"),
        *("conversation/test_heard_text.py", "conversation/test_input.py"),
        *("conversation/test_variables.py", "datastream/test_speaking.py"),
        *("datastream/test_speech_queue.py", "gateway/test_config_secrets.py"),
        *("gateway/test_long_steps.py", "openai_counterpart/test_noise.py"),
        *("openai_counterpart/test_sounds.py", "sessions/test_admission.py"),
        *("sessions/test_each_turn_is_over_once.py", "sessions/test_long_messages.py"),
        *("sessions/test_neighbours.py", "sessions/test_phones.py"),
        *("sessions/test_session.py", "sessions/test_users.py"),
        *("test_house.py", "test_layers.py"),
    )
}
# Those whose tests wait for commands that they start, or for a database, without a
# deadline that a lack of processors could break.
PATIENT = {
    TESTS / name
    for name in (
        *("api", "cli", "packaging"),
        *("test_backgrounds_tool.py", "test_makefile.py", "test_second_try.py"),
    )
}
NOT_COMPUTING = {*PROGRAMS.values(), "clients", "real_time"}
NOT_PATIENT = NOT_COMPUTING - {"process"}
# Parts of `make test` that run without the files of other tests: mark -> folders
# and files, and words of other files.
PARTS = {
    "beside": (COMPUTING | PATIENT, ["mark.computes", "mark.beside"]),
    "real_time": ({TESTS / "bench"}, ["mark.real_time", "best_of"]),
}
NOT_UNIT = {*PROGRAMS.values(), "clients", "slow"}


def marks(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files that have no test of the part that is run: imports take seconds."""
    # Tests that are named are found, and run nowhere, if they are of other parts.
    part = config.option.markexpr.rpartition(" and ")[2]
    is_all = config.args_source is config.ArgsSource.TESTPATHS
    if not is_all or part not in PARTS or not collection_path.name.startswith("test_"):
        return None
    return None if may_have(part, collection_path) else True


@functools.cache
def may_have(part: str, path: Path) -> bool:
    """Return whether a file may have a test of this part, by its folder and words."""
    folders, words = PARTS[part]
    if folders & {path, *path.parents}:
        return True
    text = path.read_text()
    return any(word in text for word in words)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by mark
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Mark the unit tests, and sort the tests in a worker of pytest-xdist."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in PROGRAMS:
                item.add_marker(PROGRAMS[fixture])
        names, paths = marks(item), {item.path, *item.path.parents}
        if not names & NOT_UNIT:
            item.add_marker("unit")
        if not names & NOT_COMPUTING and COMPUTING & paths:
            item.add_marker("computes")
        if not names & NOT_PATIENT and PATIENT & paths:
            item.add_marker("beside")
        if "computes" in marks(item):
            item.add_marker("beside")
        for part in PARTS.keys() & marks(item):  # else `make test` would not run it
            assert may_have(part, item.path), (
                f"{item.nodeid}: its file must name {part}"
            )
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    """
    Return the place of a test: long ones first, so that workers end together.

    Of the tests that yield, those that only compute are first: the others wait for
    processes, and have more of the processors beside the tests of real time.
    """
    names = marks(item)
    if "beside" in names and "computes" not in names:
        return 3
    if "unit" in names:
        return 2
    return 0 if "slow" in names else 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt libraries and tests from garbage collection: it takes seconds of a run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the coverage of unit tests alone: tracing would slow down the others."""
    controller = getattr(
        item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None
    )
    if controller is None or "unit" in marks(item):
        return (yield)
    controller.cov.stop()
    try:
        return (yield)
    finally:
        controller.cov.start()
