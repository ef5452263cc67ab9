"""Clock of queued audio: it drains in real time and never below nothing."""

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
