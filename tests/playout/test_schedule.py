"""Turn schedule: calls in, actions and frames out, without a loop or a clock."""

from fractions import Fraction

import pytest

from lite_gateway.playout.actions import (
    BeginTalkspurt,
    ClearSilence,
    LongUnderrun,
    MissingEnd,
    SendSilence,
    SendStep,
    TurnFinished,
    TurnStarted,
    Underrun,
    Wait,
)
from lite_gateway.playout.frame_schedule import (
    LOOKAHEAD_SAMPLES,
    VIDEO_DELAY_S,
)
from lite_gateway.playout.lateness import Lateness
from lite_gateway.playout.schedule import (
    FADE_SAMPLES,
    STEP_SAMPLES,
    TurnSchedule,
)
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import tone

FRAME = SAMPLE_RATE // 25
STEP_BYTES = 2 * STEP_SAMPLES


@pytest.fixture
def schedule() -> TurnSchedule:
    return TurnSchedule(Fraction(25), now_s=0.0, missing_end_s=3.0)


def begin(schedule: TurnSchedule, now_s: float = 0.0) -> SendStep:
    """Begin a talkspurt whose first frame is sent at once; return its first step."""
    begun, cleared, step = schedule.next_audio(now_s, 0.0)
    assert [begun, cleared] == [BeginTalkspurt(), ClearSilence()]
    task = schedule.next_frame(now_s)
    assert schedule.frame_rendered(task)
    schedule.frames.sent(task, now_s)
    return step


def play(
    schedule: TurnSchedule, now_s: float, until_s: float, queued_s: float = 0.020
) -> list:
    """
    Perform the audio actions of a room that plays in real time; return them.

    ``queued_s`` is what `begin` has sent.
    """
    actions, empty_s = [], now_s + queued_s  # when the room has played all its audio
    while now_s <= until_s:
        wait_s = 0.0
        for action in schedule.next_audio(now_s, max(0.0, empty_s - now_s)):
            match action:
                case Wait(wait_s):
                    pass
                case SendSilence():
                    empty_s = max(empty_s, now_s) + 0.020
                case SendStep():
                    length_s = len(action.pcm) / 2 / SAMPLE_RATE
                    empty_s = max(empty_s, now_s) + length_s
                    actions.append((now_s, action))
                case ClearSilence():
                    empty_s = now_s
                case _:
                    actions.append((now_s, action))
        now_s += wait_s
    return actions


def of(kind: type, actions: list) -> list:
    return [(at_s, action) for at_s, action in actions if isinstance(action, kind)]


def test_without_a_turn_silence_is_sent_until_60_ms_are_queued(schedule):
    assert schedule.next_audio(0.0, 0.0) == [SendSilence()]
    assert schedule.next_audio(0.0, 0.060) == [SendSilence()]
    [wait] = schedule.next_audio(0.0, 0.075)
    assert wait.wait_s == pytest.approx(0.015)


def test_a_burst_is_heard_at_once_and_its_first_frame_is_due(schedule):
    pcm = tone(0.1)
    schedule.next_frame(0.0)
    schedule.append(1, pcm, 0.013)
    step = SendStep(1, 0, pcm[:STEP_BYTES])
    begun = [BeginTalkspurt(), ClearSilence(), step]
    assert schedule.next_audio(0.013, 0.020) == begun
    assert schedule.frame_due_s(0.013) == pytest.approx(0.013)
    assert schedule.frame_rendered(schedule.next_frame(0.013))


def test_paced_audio_is_held_until_40_ms_have_arrived(schedule):
    schedule.append(1, tone(0.020), 0.0)
    assert schedule.next_audio(0.0, 0.0) == [SendSilence()]
    assert schedule.next_audio(0.001, 0.061) == [Wait(pytest.approx(0.001))]
    schedule.append(1, tone(0.020), 0.020)
    assert schedule.next_audio(0.020, 0.070)[0] == BeginTalkspurt()


def test_a_short_fragment_is_held_for_40_ms_after_it_arrived(schedule):
    schedule.append(1, tone(0.005), 0.0)
    assert schedule.next_audio(0.039, 0.080) == [Wait(pytest.approx(0.001))]
    assert schedule.next_audio(0.040, 0.080)[0] == BeginTalkspurt()


def test_a_sealed_fragment_is_not_held(schedule):
    schedule.append(1, tone(0.005), 0.0)
    schedule.seal(1)
    assert schedule.next_audio(0.0, 0.0)[0] == BeginTalkspurt()


def test_the_voice_does_not_wait_for_its_first_frame(schedule):
    schedule.append(1, tone(0.3), 0.0)
    schedule.next_audio(0.0, 0.0)
    steps = of(SendStep, play(schedule, 0.0, 0.1))
    assert len(steps) == 4
    assert [at_s for at_s, _ in steps] == pytest.approx([0.0, 0.020, 0.060, 0.100])


def test_a_turn_starts_when_its_first_frame_is_sent(schedule):
    schedule.append(1, tone(0.1), 0.0)
    schedule.seal(1)
    schedule.next_audio(0.0, 0.0)
    task = schedule.next_frame(0.0)
    assert not of(TurnStarted, play(schedule, 0.0, 0.009))
    schedule.frames.sent(task, 0.009)
    assert schedule.next_audio(0.009, 0.071) == [TurnStarted(1, 0.009)]


def test_a_turn_starts_a_frame_after_its_voice_when_the_renderer_is_slow(schedule):
    schedule.append(1, tone(0.1), 0.0)
    schedule.next_audio(0.0, 0.0)
    [(at_s, started)] = of(TurnStarted, play(schedule, 0.0, 0.1))
    assert (at_s, started) == (0.040, TurnStarted(1, 0.040))


def test_a_turn_that_is_shorter_than_a_frame_starts_before_it_finishes(schedule):
    schedule.append(1, tone(0.005), 0.0)
    schedule.seal(1)
    schedule.next_audio(0.0, 0.0)
    (started_s, started), (finished_s, finished) = play(schedule, 0.0, 0.1, 0.005)
    assert started == TurnStarted(1, started_s)
    assert finished == TurnFinished(1, spoken=True)
    assert started_s == finished_s == pytest.approx(0.040)


def test_a_late_machine_delays_frames_and_audio_alike(schedule):
    schedule.append(1, tone(1.0), 0.0)
    begin(schedule)
    play(schedule, 0.0, 0.19)  # 240 ms or more are submitted
    now_s = 0.5
    due_s = schedule.frame_due_s(now_s)
    frame = schedule.next_frame(due_s)
    [step] = schedule.next_audio(now_s, 0.0)
    behind_s = (frame.first - step.first) / SAMPLE_RATE
    assert due_s == pytest.approx(now_s + behind_s + VIDEO_DELAY_S)
    assert abs(behind_s + VIDEO_DELAY_S) <= 0.020


def test_speech_that_is_late_by_more_than_half_a_frame_shows_the_next_one(schedule):
    schedule.append(1, tone(1.0), 0.0)
    begin(schedule)
    play(schedule, 0.0, 0.1)
    assert schedule.frame_due_s(0.079) == pytest.approx(0.060)
    assert schedule.frame_due_s(0.081) == pytest.approx(0.100)
    task = schedule.next_frame(0.100)
    assert (task.first, task.skipped) == (2 * FRAME, 1)


def test_each_step_is_sent_60_ms_before_it_is_due(schedule):
    schedule.append(1, tone(0.14), 0.0)
    schedule.seal(1)
    assert begin(schedule).first == 0
    steps = of(SendStep, play(schedule, 0.0, 0.2))
    assert [step.first for _, step in steps] == [960, 1920, 2880]
    assert [at_s for at_s, _ in steps] == pytest.approx([0.0, 0.020, 0.060])


def test_a_sealed_turn_finishes_when_its_last_sample_was_heard(schedule):
    schedule.append(1, tone(0.1), 0.0)
    schedule.seal(1)
    begin(schedule)
    [(finished_s, finished)] = of(TurnFinished, play(schedule, 0.0, 0.2))
    assert finished == TurnFinished(1, spoken=True)
    assert finished_s == pytest.approx(0.1)


def test_a_turn_without_audio_finishes_when_it_is_sealed(schedule):
    schedule.open(1, 0.0)
    assert schedule.next_audio(0.0, 0.0) == [SendSilence()]
    schedule.seal(1)
    assert schedule.next_audio(0.1, 0.0) == [TurnFinished(1, spoken=False)]


def test_the_next_turn_begins_where_the_last_one_finished(schedule):
    for turn in (1, 2):
        schedule.append(turn, tone(0.1), 0.0)
        schedule.seal(turn)
    begin(schedule)
    actions = play(schedule, 0.0, 0.3)
    [(finished_s, _), _] = of(TurnFinished, actions)
    [(started_s, _)] = of(BeginTalkspurt, actions)
    assert started_s == finished_s
    [_, (_, second)] = of(TurnStarted, actions)
    assert second.added_s < 0.07  # its wait behind the first turn does not count


def test_an_underrun_is_reported_after_half_a_second_and_a_missing_end_later(schedule):
    schedule.append(1, tone(0.1), 0.0)
    begin(schedule)
    actions = play(schedule, 0.0, 3.005)
    [(dry_s, _)] = of(Underrun, actions)
    assert dry_s == pytest.approx(0.1)
    [(reported_s, report)] = of(LongUnderrun, actions)
    assert report == LongUnderrun(1)
    assert reported_s == pytest.approx(0.5, abs=0.021)
    missing_s, missing = of(MissingEnd, actions)[0]
    assert missing == MissingEnd(1)
    assert missing_s == pytest.approx(3.0, abs=0.021)


def test_after_an_underrun_speech_goes_on_where_it_was(schedule):
    schedule.append(1, tone(0.1), 0.0)
    begin(schedule)
    play(schedule, 0.0, 1.0)
    schedule.append(1, tone(0.1), 1.5)
    schedule.seal(1)
    assert begin(schedule, 1.5).first == 2400
    actions = play(schedule, 1.5, 2.0)
    assert not of(TurnStarted, actions)


def test_a_flush_returns_what_was_heard_and_ends_in_a_fade(schedule):
    pcm = tone(1.0)
    schedule.append(1, pcm, 0.0)
    begin(schedule)
    play(schedule, 0.0, 0.3)
    submitted = round(SAMPLE_RATE * (1.0 - schedule.buffered_s))
    result = schedule.flush(1, 0.31, unsent_s=0.030)
    heard = submitted - SAMPLE_RATE * 30 // 1000
    assert (result.turn, result.heard, result.spoken) == (1, heard, True)
    fade = schedule.take_fade()
    assert len(fade) == 2 * FADE_SAMPLES
    assert fade[:2] == pcm[2 * heard : 2 * heard + 2]
    assert schedule.take_fade() is None
    assert schedule.next_audio(0.31, 0.0) == [SendSilence()]


def test_a_flush_cuts_older_turns_and_keeps_newer_ones(schedule):
    for turn in (1, 2, 3):
        schedule.append(turn, tone(0.2), 0.0)
        schedule.seal(turn)
    begin(schedule)
    play(schedule, 0.0, 0.1)
    assert schedule.flush(0, 0.1, unsent_s=0.0) is None
    assert schedule.flush(2, 0.1, unsent_s=0.0).turn == 1
    assert schedule.buffered_s == pytest.approx(0.2)
    finished = [action.turn for _, action in of(TurnFinished, play(schedule, 0.1, 1.0))]
    assert finished == [3]


def test_a_turn_that_is_cut_before_its_voice_has_no_fade(schedule):
    schedule.append(1, tone(0.020), 0.0)
    schedule.next_audio(0.0, 0.0)
    result = schedule.flush(1, 0.005, unsent_s=0.020)
    assert (result.heard, result.spoken) == (0, False)
    assert schedule.take_fade() is None
    assert schedule.next_audio(0.005, 0.020) == [SendSilence()]


def test_a_frame_is_not_sent_when_its_turn_is_cut_while_it_renders(schedule):
    schedule.append(1, tone(0.2), 0.0)
    schedule.next_audio(0.0, 0.0)
    task = schedule.next_frame(0.0)
    schedule.flush(1, 0.005, unsent_s=0.0)
    assert not schedule.frame_rendered(task)
    assert schedule.frame_due_s(0.005) == 0.005
    assert schedule.next_frame(0.005).request.turn == 0


def test_a_driver_is_given_120_ms_after_the_frame(schedule):
    pcm = tone(1.0)
    schedule.append(1, pcm, 0.0)
    begin_samples = FRAME + LOOKAHEAD_SAMPLES
    schedule.next_audio(0.0, 0.0)
    first, second = schedule.next_frame(0.0), schedule.next_frame(0.060)
    assert (first.first, second.first) == (0, FRAME)
    assert first.request.pcm == pcm[: 2 * begin_samples]
    assert second.request.pcm == pcm[2 * begin_samples : 2 * (begin_samples + FRAME)]
    ahead = FRAME // 2 + LOOKAHEAD_SAMPLES
    assert first.request.lookahead_samples == ahead
    assert second.request.lookahead_samples == ahead


@pytest.mark.parametrize(
    ("takes_s", "halved", "shift_s"),
    [
        (0.008, (), 0.0),
        (0.030, (), 0.020),
        (0.300, (), 0.040),
        (0.008, ("talking",), 0.020),
    ],
)
def test_a_frame_that_is_seen_late_shows_a_later_face(
    schedule, takes_s, halved, shift_s
):
    for index in range(9):
        task = schedule.next_frame(0.04 * index)
        schedule.frames.sent(task, 0.04 * index + takes_s)
    schedule.append(1, tone(1.0), 0.4)
    schedule.next_audio(0.4, 0.0)
    request = schedule.next_frame(0.4, halved).request
    moment = len(request.pcm) // 2 - request.lookahead_samples
    assert moment == FRAME // 2 + round(shift_s * SAMPLE_RATE)


def test_one_late_frame_does_not_change_the_moment_of_the_faces():
    lateness = Lateness()
    for late_s in (0.02, 0.02, 0.02, 0.02, 0.02, 0.3, 0.02, 0.02, 0.02):
        lateness.observe(late_s)
        assert lateness.unusual_s <= 0.010


def test_the_first_frame_of_each_talkspurt_is_due_at_once_and_the_rest_20_ms_later(
    schedule,
):
    def frames(now_s: float) -> list[tuple[float, int]]:
        """Return when two frames are due, after ``now_s``, and their samples."""
        tasks = [schedule.next_frame(now_s), schedule.next_frame(now_s)]
        return [(round(task.due_s - now_s, 6), task.first) for task in tasks]

    schedule.append(1, tone(0.1), 0.0)
    schedule.next_audio(0.0, 0.0)
    assert frames(0.0) == [(0.0, 0), (0.060, FRAME)]
    play(schedule, 0.0, 1.0)  # until it is dry
    schedule.append(1, tone(1.0), 1.5)
    schedule.next_audio(1.5, 0.0)
    assert frames(1.5) == [(0.0, 2400), (0.060, 2400 + FRAME)]
    held = schedule.hold(1.7, 0.0).heard
    assert [at_s for at_s, _ in frames(1.7)] == [0.0, 0.040]  # the idle face
    schedule.release(2.0)
    play(schedule, 2.0, 2.0)
    assert frames(2.0) == [(0.0, held), (0.060, held + FRAME)]


def test_late_frames_are_skipped_and_count_their_samples(schedule):
    schedule.append(1, tone(1.0), 0.0)
    schedule.next_audio(0.0, 0.0)
    schedule.next_frame(0.0)
    task = schedule.next_frame(0.150)
    assert (task.skipped, task.first) == (2, 3 * FRAME)


def test_frames_after_the_end_of_a_sealed_turn_are_idle(schedule):
    schedule.frames.pose = "listening"
    schedule.append(1, tone(0.06), 0.0)
    schedule.seal(1)
    schedule.next_audio(0.0, 0.0)
    requests = [schedule.next_frame(at_s).request for at_s in (0.0, 0.059, 0.1)]
    assert [request.turn for request in requests] == [1, 1, 0]
    assert requests[-1].pose == "listening"


def test_a_change_of_emotion_inside_a_frame_shows_no_other_emotion(schedule):
    schedule.append(1, tone(0.050), 0.0, "happy")
    schedule.append(1, tone(0.150), 0.0, "sad")
    begin(schedule)
    emotions = []
    for index in range(1, 4):
        play(schedule, 0.04 * (index - 1) + 0.001, 0.04 * index)
        emotions.append(schedule.next_frame(0.04 * index).request.emotion)
    assert emotions == ["happy", "sad", "sad"]


def test_audio_that_waits_is_counted_through_steps_ends_and_cuts(schedule):
    pcm = tone(1.0)
    schedule.append(1, pcm[:24_001], 0.0)
    schedule.append(1, pcm[24_001:], 0.0)  # the halves of a sample count as one
    schedule.append(2, tone(0.5), 0.0)
    schedule.append(3, tone(0.5), 0.0)
    assert schedule.buffered_s == 2.0
    begin(schedule)
    play(schedule, 0.0, 0.21)
    assert schedule.buffered_s == pytest.approx(1.72)
    schedule.flush(2, 0.21, 0.0)
    assert schedule.buffered_s == 0.5
    schedule.seal(3)
    play(schedule, 0.3, 2.0)
    assert schedule.buffered_s == 0.0
