"""Figures T1 to T7 of the scenario ``conversation``, from the evidence of its run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.report.figures import Report
from bench.talks.evidence import Evidence
from bench.talks.moments import (
    Answer,
    Record,
    answer_to,
    answers,
    first_deltas,
    first_loud_s,
    newest,
    sent_events,
    silent_s,
)
from bench.talks.person import Said
from lite_gateway.conversation.latency import STAGES
from lite_gateway.conversation.link import LinkDelay

# Nothing is to be spoken before an answer, so none waits for its turn.
_FULL_STAGES = tuple(stage for stage in STAGES if stage != "queue")
# Budgets of stages. Realtime's turns end in the provider.
_MOST = {("FULL", "turn_end"): "T1 ≤ 450"}
_REALTIME_STAGES = ("turn_end", "llm_first_token", "tts_first_audio", "link", "avatar")


@dataclass(frozen=True)
class Measured:
    """Evidence of all sessions, and what counterpart and gateway have recorded."""

    full: Evidence
    push: Evidence
    realtime: Evidence
    many: list[Evidence]  # at once
    memory: list[float]  # of the agent process, MB: after each of those has begun
    requests: list[Record]
    connections: list[Record]
    delays: list[LinkDelay]


def conversation_report(conditions: dict[str, Any], measured: Measured) -> Report:
    """Return every figure of a run."""
    report = Report("conversation", conditions)
    full, realtime = measured.full, measured.realtime
    add_answers(report, full, measured.requests)
    _add_link(report, measured.delays)
    _add_realtime(report, realtime, measured.connections)
    _add_silence(report, measured)
    _add_holds(report, full)
    _add_use(report, measured)
    missed = [it.missed for it in (full, measured.push, realtime, *measured.many)]
    report.add("events that did not come within 30 s", "", [sum(missed)], "p100 ≤ 0")
    return report


def add_answers(report: Report, full: Evidence, requests: Sequence[Record]) -> None:
    """Add T1 and T2: the answers in FULL mode, and their stages."""
    pairs = _pairs(full.turns, answers(full.trace, full.events))
    _add_total(report, full, pairs)
    _add_stages(report, "FULL", pairs, _FULL_STAGES)
    _add_between(report, pairs, requests)


Pairs = Sequence[tuple[Said, Answer | None]]


def _pairs(turns: Sequence[Said], found: Sequence[Answer]) -> Pairs:
    return [(said, answer_to(said, found)) for said in turns]


def _add_total(report: Report, full: Evidence, pairs: Pairs) -> None:
    """Add the time from the person's last loud sample to the avatar's first one."""
    totals, sent, ways, heard = [], [], [], []
    for said, answer in pairs:
        total = answer.stages.get("total", np.nan) if answer else np.nan
        shown = _ms(said.last_s, answer.shown_s if answer else np.nan)
        totals.append(total)
        sent.append(shown)
        ways.append(shown - total)
        heard.append(_ms(said.last_s, first_loud_s(full.heard, said.last_s)))
    budget = "T1 p50 ≤ 650, p95 ≤ 900"
    for name, times, terms in (
        ("last loud sample heard → first sample and frame", totals, budget),
        ("last loud sample spoken → first sample and frame", sent, ""),
        ("way of the voice to the agent", ways, ""),
        ("last loud sample spoken → answer heard by the person", heard, ""),
    ):
        report.add(f"FULL: {name}", "ms", times, terms)


def _add_stages(report: Report, mode: str, pairs: Pairs, stages: Sequence[str]) -> None:
    found = [answer for _, answer in pairs if answer]
    for stage in stages:
        times = [it.stages.get(stage, np.nan) for it in found]
        report.add(f"{mode}, stage {stage}", "ms", times, _MOST.get((mode, stage), ""))
    off = [answer.uncounted_ms for answer in found]
    report.add(f"{mode}: sum of the stages, off the total", "ms", off, "T1 p100 ≤ 5")
    added = [_ms(answer.received_s, answer.shown_s) for answer in found]
    name = f"{mode}: speech received → first sample and frame submitted"
    report.add(name, "ms", added, "L1 p50 ≤ 15, p99 ≤ 40")


def _add_between(report: Report, pairs: Pairs, requests: Sequence[Record]) -> None:
    """Add the time of this server between two providers."""
    asked: dict[str, list[float]] = {"LLM": [], "TTS": [], "playout": []}
    for _, answer in pairs:
        until_s = answer.shown_s if answer else np.nan
        chat = newest(requests, "chat", until_s)
        speech = newest(requests, "speech", until_s)
        if answer is None or chat is None or speech is None:
            for values in asked.values():
                values.append(np.nan)
            continue
        asked["LLM"].append(_ms(answer.moment_s("stt"), chat["arrived_s"]))
        # The look-alike writes all words of an answer at once, and it is a sentence.
        asked["TTS"].append(_ms(chat["first_s"], speech["arrived_s"]))
        asked["playout"].append(_ms(speech["first_s"], answer.received_s))
    for name, title, budget in (
        ("LLM", "text of the user in hand → LLM asked", "T2 ≤ 60"),
        ("TTS", "sentence sent by the LLM → TTS asked", "T2 ≤ 40"),
        ("playout", "first byte sent by the TTS → playout", "T2 ≤ 20"),
    ):
        report.add(f"FULL: {title}", "ms", asked[name], budget)


def _add_link(report: Report, delays: Sequence[LinkDelay]) -> None:
    to_agent = [1000 * delay.to_agent_s for delay in delays]
    to_gateway = [1000 * delay.to_gateway_s for delay in delays]
    report.add("link: ping sent → read by the agent process", "ms", to_agent, "T3 ≤ 3")
    report.add("link: answer sent → read by the gateway", "ms", to_gateway, "T3 ≤ 3")


def _add_realtime(
    report: Report, realtime: Evidence, connections: Sequence[Record]
) -> None:
    deltas = first_deltas(connections)
    times, totals = [], []
    pairs = _pairs(realtime.turns, answers(realtime.trace, realtime.events))
    for said, answer in pairs:
        sent = [at_s for at_s in deltas if answer and at_s < answer.shown_s]
        times.append(_ms(sent[-1], answer.shown_s) if answer and sent else np.nan)
        totals.append(_ms(said.last_s, answer.shown_s if answer else np.nan))
    name = "Realtime: first audio sent → first sample and frame submitted"
    report.add(name, "ms", times, "T4 p50 ≤ 25, p99 ≤ 60")
    name = "Realtime: last loud sample spoken → first sample and frame"
    report.add(name, "ms", totals)
    _add_stages(report, "Realtime", pairs, _REALTIME_STAGES)


def _add_silence(report: Report, measured: Measured) -> None:
    """Add the time from a cause of silence to the last spoken sample."""
    full, push, realtime = measured.full, measured.push, measured.realtime
    started = sent_events(measured.connections, "input_audio_buffer.speech_started")
    heard_s = [
        next((at_s for at_s in started if at_s > voice.first_s), np.nan)
        for voice in realtime.voices
    ]
    for name, causes, evidence in (
        ("Realtime: speech_started sent", heard_s, realtime),
        ("FULL: avatar.interrupt sent", full.interrupts, full),
        ("FULL: user.start_push_to_talk sent", push.pushes, push),
    ):
        times = [_ms(at_s, silent_s(evidence.trace, at_s)) for at_s in causes]
        report.add(f"{name} → last spoken sample", "ms", times, "T5 ≤ 50")


def _add_holds(report: Report, full: Evidence) -> None:
    times = [
        _ms(voice.first_s, silent_s(full.trace, voice.first_s, held=True))
        for voice in full.voices
    ]
    name = "FULL: first sample of a voice spoken → avatar held"
    report.add(name, "ms", times, "T6 ≤ 750")


def _add_use(report: Report, measured: Measured) -> None:
    """Add processor and memory of the agent process."""
    for name, evidence in (("FULL", measured.full), ("Realtime", measured.realtime)):
        mean = [float(np.mean(evidence.processor))] if evidence.processor else []
        title = f"{name}: a conversation in the agent process"
        report.add(title, "% of a core", mean, "T7 ≤ 12")
    shares = [share for one in measured.many for share in one.processor]
    if shares:
        # Each one saw the use of all of them.
        each = float(np.mean(shares)) / len(measured.many)
        title = f"FULL: each of {len(measured.many)} conversations at once"
        report.add(title, "% of a core", [each], "T7 ≤ 12")
    first, *more = measured.memory
    beyond = [(more[-1] - first) / len(more)] if more else []
    report.add("a conversation beyond the first", "MB", beyond, "T7 ≤ 25")
    report.add("agent process", "MB", [max(measured.memory)], "T7 ≤ 250")


def _ms(since_s: float, until_s: float) -> float:
    return 1000 * (until_s - since_s)
