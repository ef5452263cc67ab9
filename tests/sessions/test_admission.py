"""Admission of sessions: fixed slots, and the measured capacity of a machine."""

import dataclasses
import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.conversation.plan import ConversationPlan
from lite_gateway.sessions.admission import FixedSlots, MeasuredSlots
from lite_gateway.sessions.capacity import (
    CONVERSATION_CORES,
    LOAD_FACTOR,
    MAX_CORES_BUSY,
    MAX_RENDER_BUSY,
    ROOM_S,
    ROOM_S_PER_PIXEL,
    Capacity,
)
from lite_gateway.sessions.session_config import SessionConfig
from lite_gateway.video_quality import parse_quality
from tests.sessions.rooms import config

FPS = 25
MEASURED = parse_quality("512x512")
ROOM_512_S = ROOM_S + ROOM_S_PER_PIXEL * 512**2


def session(quality: str = "512x512", avatar: str = "mira") -> SessionConfig:
    plain = config(None, data_stream=False)
    return dataclasses.replace(plain, avatar=avatar, quality=parse_quality(quality))


def measured(
    frame_s: float,
    cores: float = 2.0,
    *,
    core_speed: float = 1.0,
    encodes: bool = True,
    draw_times: dict[tuple[str, str], float] | None = None,
) -> Capacity:
    times = draw_times or {}
    capacity = Capacity(
        lambda avatar, quality: times.get((avatar, quality.name)),
        fps=Fraction(FPS),
        cores=cores,
        core_speed=core_speed,
        quality=MEASURED,
        encodes=encodes,
    )
    capacity.take("mira", frame_s)
    return capacity


def admitted(slots: MeasuredSlots, wanted: SessionConfig) -> int:
    """Return how many sessions are admitted before the first refusal."""
    running: list[SessionConfig] = []
    while slots.refusal(running, wanted) is None:
        running.append(wanted)
        assert len(running) < 10_000
    return len(running)


times = st.floats(0.0002, 0.1)
cores = st.floats(0.1, 64)


@given(times, cores, st.booleans())
def test_the_render_thread_and_the_cores_keep_their_reserve(frame_s, cores, encodes):
    capacity = measured(frame_s, cores, encodes=encodes)
    count = admitted(MeasuredSlots(capacity, lambda: False), session())
    assert count == capacity.sessions
    rendering = LOAD_FACTOR * frame_s * FPS
    room = ROOM_512_S * FPS if encodes else 0.0

    def fits(sessions: int) -> bool:
        busy = sessions * rendering / MAX_RENDER_BUSY
        used = sessions * (rendering + room) / (MAX_CORES_BUSY * cores)
        return max(busy, used) <= 1 + 1e-6

    assert count == 1 or fits(count)
    assert not fits(count + 2)


def test_one_session_is_admitted_on_the_slowest_machine():
    slots = MeasuredSlots(measured(0.5, 0.1), lambda: True)
    assert slots.sessions == slots.free([]) == 1
    assert slots.refusal([], session("very_high")) is None
    assert slots.free([session()]) == 0


def test_a_larger_face_takes_more_of_the_machine():
    times = {("mira", "512x512"): 0.002, ("mira", "1920x1080"): 0.012}
    slots = MeasuredSlots(measured(0.003, 2.0, draw_times=times), lambda: False)
    small, large = admitted(slots, session()), admitted(slots, session("very_high"))
    assert small >= 2 * large
    mixed = [session()] * (small - 2)
    assert slots.refusal(mixed, session("very_high"))
    assert slots.refusal(mixed, session()) is None
    assert slots.free(mixed) == 2


def test_a_size_that_was_never_drawn_is_estimated_by_its_pixels():
    capacity = measured(0.003)
    quarter, whole = capacity.share(session("256x256")), capacity.share(session())
    assert quarter < whole == capacity.unit_share
    assert capacity.share(session("very_high")) > 2 * whole


def test_slower_cores_carry_fewer_sessions_whatever_the_renderer_takes():
    quick, slow = (measured(0.0001, 4.0, core_speed=speed) for speed in (1.0, 0.5))
    assert slow.sessions <= quick.sessions / 1.9


def test_an_avatar_that_is_drawn_faster_takes_less():
    times = {("mira", "512x512"): 0.010, ("fiducial", "512x512"): 0.001}
    capacity = measured(0.012, draw_times=times)
    assert capacity.share(session(avatar="fiducial")) < capacity.unit_share


def test_the_fastest_measurement_stands():
    capacity = measured(0.010)
    slow = capacity.sessions
    capacity.take("mira", 0.005)
    fast = capacity.sessions
    capacity.take("mira", 0.020)
    capacity.take("mira", None)
    assert slow < fast == capacity.sessions


def test_before_the_measurement_one_session_is_admitted():
    slots = MeasuredSlots(measured(float("inf")), lambda: False)
    assert slots.sessions == slots.free([]) == 1
    assert slots.refusal([], session()) is None
    assert "being measured" in slots.refusal([session()], session())


def test_a_late_machine_admits_no_further_session():
    late = False
    slots = MeasuredSlots(measured(0.001, 8.0), lambda: late)
    assert slots.refusal([session()], session()) is None
    late = True
    assert slots.free([session()]) == 0
    assert "late with their frames" in slots.refusal([session()], session())


def test_a_refusal_says_what_was_measured_and_what_to_do():
    capacity = measured(0.012)
    running = [session()] * capacity.sessions
    text = MeasuredSlots(capacity, lambda: False).refusal(running, session())
    assert f"about {capacity.sessions} of mira 512x512" in text
    assert f"{len(running)} session" in text
    for remedy in ("later", "smaller quality", "another machine", "--max-sessions"):
        assert remedy in text


def test_fixed_slots_count_heads():
    slots = FixedSlots(2)
    assert slots.free([]) == slots.sessions == 2
    assert slots.refusal([session("very_high")], session()) is None
    assert "all 2 session slots" in slots.refusal([session()] * 2, session())
    assert slots.free([session()] * 3) == 0


@given(times, cores, st.floats(0.3, 3))
def test_a_conversation_takes_its_part_of_the_cores_beside_the_session(
    frame_s, cores, core_speed
):
    capacity = measured(frame_s, cores, core_speed=core_speed)
    plain = session()
    talking = dataclasses.replace(plain, conversation=ConversationPlan("FULL"))
    used = LOAD_FACTOR * frame_s + ROOM_512_S / core_speed
    used = FPS * used + CONVERSATION_CORES / core_speed
    rendering = FPS * LOAD_FACTOR * frame_s / MAX_RENDER_BUSY
    expected = max(rendering, used / (MAX_CORES_BUSY * cores))
    assert math.isclose(capacity.share(talking), expected)
    assert capacity.share(talking) >= capacity.share(plain)
