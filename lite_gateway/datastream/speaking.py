"""Speech of one byte stream, from its first byte to its end."""

import logging

from lite_gateway.datastream.resampler import Resampler
from lite_gateway.datastream.speech_queue import SpeechQueue
from lite_gateway.datastream.stream import StreamBroken, StreamReader
from lite_gateway.metrics import Metrics
from protocol.containers import container_of
from protocol.datastream.names import read_format
from protocol.errors import BadMessage
from protocol.lite.messages import WarningKind

log = logging.getLogger(__name__)


async def speak_stream(
    stream: StreamReader, queue: SpeechQueue, metrics: Metrics
) -> None:
    """
    Read a stream to its end into its segment, and close both.

    A stream that cannot be played to its end is counted, logged and reported to its
    sender as interrupted.
    """
    turn = stream.turn
    try:
        resampler = Resampler(read_format(stream.attributes))
        is_first = True
        async for chunk in stream.chunks():
            if is_first and chunk:
                _warn_of_container(chunk, turn, metrics)
                is_first = False
            pcm = resampler.push(chunk) if chunk else resampler.flush()
            if not queue.receive(turn, pcm):
                _fail(turn, queue, metrics, "too_much", "too much audio is waiting")
                return
        queue.receive(turn, resampler.flush())
    except BadMessage as error:
        _fail(turn, queue, metrics, "format", str(error))
    except StreamBroken as error:
        queue.receive(turn, resampler.flush())
        _fail(turn, queue, metrics, "broken", str(error))
    finally:
        stream.close()
        queue.close(turn)


def _fail(
    turn: int, queue: SpeechQueue, metrics: Metrics, reason: str, text: str
) -> None:
    log.warning("a stream cannot be played to its end, turn=%d: %s", turn, text)
    metrics.streams_refused.labels(reason).inc()
    queue.fail(turn)


def _warn_of_container(chunk: bytes, turn: int, metrics: Metrics) -> None:
    container = container_of(chunk)
    if container is not None:
        metrics.warnings.labels(WarningKind.NOT_PCM.value).inc()
        log.warning(
            "a stream begins like a file of the format %s, turn=%d", container, turn
        )
