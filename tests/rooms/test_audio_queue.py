"""Clock of queued audio: it drains in real time and never below nothing."""

import pytest

from lite_gateway.rooms.audio_queue import AudioQueue
from tests.fakes import tone


def test_audio_drains_and_time_without_audio_is_not_owed():
    now_s = 100.0
    queue = AudioQueue(lambda: now_s)
    assert queue.queued_s == 0.0
    queue.add(tone(0.020))
    now_s += 0.5  # a late event loop
    assert queue.queued_s == 0.0
    for _ in range(3):
        queue.add(tone(0.020))
    assert round(queue.queued_s, 6) == 0.060
    now_s += 0.025
    assert round(queue.queued_s, 6) == 0.035
    queue.clear()
    assert queue.queued_s == 0.0


def test_unsent_audio_leaves_in_whole_blocks_on_the_grid_of_its_source():
    now_s = 100.0
    queue = AudioQueue(lambda: now_s)
    now_s = 100.003
    queue.add(tone(0.035))
    unsent_ms = []
    for _ in range(5):
        unsent_ms.append(1000 * queue.unsent_s)
        now_s += 0.010
    assert unsent_ms == pytest.approx([35, 25, 15, 5, 5])
    queue.add(tone(0.007))  # what is left of a block leaves with it
    now_s += 0.006
    assert queue.unsent_s == pytest.approx(0.012)
    now_s += 0.003
    assert queue.unsent_s == pytest.approx(0.002)
    queue.clear()
    assert queue.unsent_s == 0.0
