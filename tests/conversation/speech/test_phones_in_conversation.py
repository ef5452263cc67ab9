"""Phones of the built-in voice reach the gateway with their turn."""

import asyncio

import numpy as np
import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from protocol.link.messages import Happened, OpenTurn, TurnAudioPiece, TurnPhones
from protocol.link.settings import Endpoint
from tests.conversation.speech.service import KEY, Service
from tests.conversation.talks import FullTalk

pytestmark = pytest.mark.process

NOWHERE = "http://127.0.0.1:9/v1"
TEXT = "Bob bought a big pumpkin. Mummy sees six moons, and Pam has a map."


def spoken_by(speech: Service, voice: str, *, tells_phones: bool):
    """Return what the gateway received of a speech."""
    tts = Endpoint(
        *(speech.url, "built-in", KEY, voice), trusted=True, tells_phones=tells_phones
    )
    talk = FullTalk(NOWHERE, tts=tts)

    async def main():
        async with talk.running():
            talk.gateway.command("speak_text", TEXT)
            await talk.gateway.until(
                lambda: any(t.finished_at for t in talk.gateway.turns.values())
            )
            assert not [e for e in talk.gateway.of(Happened) if e.event == "error"]
            return talk.gateway

    return asyncio.run(main())


@pytest.mark.parametrize("voice", ["heart", "heart-low"])
def test_each_phone_is_told_before_the_audio_that_it_is_in(speech: Service, voice: str):
    gateway = spoken_by(speech, voice, tells_phones=True)
    [turn] = gateway.turns.values()
    received, phones = 0, []
    for _, message in gateway.received:
        match message:
            case TurnAudioPiece(_, _, pcm):
                received += len(pcm) // 2
            case TurnPhones(_, number, new):
                assert number == turn.number
                assert new[0].end_s >= received / 24_000
                phones += new
    assert received == turn.received
    spoken = " ".join(phone.phoneme for phone in phones if phone.phoneme != "SIL")
    assert spoken.startswith("B AA B B")
    assert spoken.endswith("M AE P")
    assert phones[-1].end_s == pytest.approx(received / 24_000, abs=0.1)
    sound = np.frombuffer(bytes(turn.pcm), "<i2") / 32768

    def level(names: str) -> float:
        parts = [
            sound[round(24_000 * p.start_s) : round(24_000 * p.end_s)]
            for p in phones
            if p.phoneme in names.split()
        ]
        return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))

    assert level("AA AO IH AH UW AE") > 4 * level("P K")
    assert level("AA AO IH AH UW AE") > 15 * level("SIL")


def test_a_service_that_does_not_tell_phones_is_heard(speech: Service):
    gateway = spoken_by(speech, "heart", tells_phones=False)
    assert gateway.of(OpenTurn)
    assert not gateway.of(TurnPhones)
