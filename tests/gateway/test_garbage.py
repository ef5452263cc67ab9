"""Passes of the garbage collector, counted in a process of their own."""

import subprocess
import sys

MEASURE = """
import gc

from lite_gateway.garbage import keep_passes_short

largest = {}


def on_pass(phase, info):
    generation = info["generation"]
    if phase == "start" and generation < 2:
        visited = sum(len(gc.get_objects(it)) for it in range(generation + 1))
        largest[generation] = max(visited, largest.get(generation, 0))


before = [[] for _ in range(10_000)]
keep_passes_short()
assert gc.get_freeze_count() > len(before)
gc.callbacks.append(on_pass)
living = [[] for _ in range(100_000)]
print(largest[0], largest[1])
"""


def test_a_pass_visits_few_objects_and_none_of_the_warm_up():
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    new, all_but_old = map(int, done.stdout.split())
    assert new < 1_000
    assert all_but_old < 3_000
