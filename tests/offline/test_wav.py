"""WAV files of any format, read as the PCM of the wire."""

import io
import struct
import wave
from collections import Counter
from random import Random

import av
import numpy as np
import pytest

from lite_gateway.offline.wav import InvalidWav, read_wav


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_of_any_rate_channels_and_width_is_read(tmp_path, rate, channels, width):
    path = tmp_path / "tone.wav"
    t = np.arange(rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(_encode(np.repeat(tone, channels), width))
    samples = np.frombuffer(read_wav(path), "<i2") / 32767
    assert len(samples) == pytest.approx(24_000, abs=2)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(samples)) / 24_000)
    middle = slice(2_000, -2_000)
    assert np.abs(samples[middle] - expected[middle]).max() < 0.02


def _encode(samples: np.ndarray, width: int) -> bytes:
    match width:
        case 1:
            return (samples * 127 + 128).astype(np.uint8).tobytes()
        case 2:
            return (samples * 32767).astype("<i2").tobytes()
        case 3:
            integers = (samples * (2**23 - 1)).astype("<i4")
            return integers.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        case _:
            return (samples * (2**31 - 1)).astype("<i4").tobytes()


PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def tone(rate: int, hz: float = 440.0) -> np.ndarray:
    """Return a second of a sine of half the full scale."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)


def riff(
    tag: int,
    bits: int,
    rate: int,
    channels: int,
    data: bytes,
    *,
    sub: int | None = None,
    riff_size: int | None = None,
    data_size: int | None = None,
) -> bytes:
    """Return a WAV file; ``sub`` makes it extensible, and sizes may be wrong."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    if sub is not None:
        mask = (1 << channels) - 1
        form += struct.pack("<HHIH", 22, bits, mask, sub) + GUID_TAIL
    size = len(data) if data_size is None else data_size
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", size)
    total = 4 + len(chunks) + len(data) if riff_size is None else riff_size
    return b"RIFF" + struct.pack("<I", total) + b"WAVE" + chunks + data


def int16(rate: int = 24_000, channels: int = 1) -> bytes:
    return _encode(np.repeat(tone(rate), channels), 2)


def mu_law(samples: np.ndarray) -> bytes:
    """Encode as ITU-T G.711, mu-law."""
    values = np.abs(samples * 32767).astype(int).clip(max=32635) + 132
    exponent = np.floor(np.log2(values)).astype(int) - 7
    mantissa = (values >> (exponent + 3)) & 15
    sign = np.where(samples < 0, 128, 0)
    return (~(sign | exponent << 4 | mantissa) & 255).astype(np.uint8).tobytes()


FLOAT32 = tone(24_000).astype("<f4").tobytes()
AS_THEY_ARE = {
    "extensible, 16 bit": riff(EXTENSIBLE, 16, 24_000, 1, int16(), sub=PCM),
    "extensible, 24 bit, 96 kHz": riff(
        *(EXTENSIBLE, 24, 96_000, 2, _encode(np.repeat(tone(96_000), 2), 3)), sub=PCM
    ),
    "extensible, 5.1": riff(*(EXTENSIBLE, 16, 48_000, 6, int16(48_000, 6)), sub=PCM),
    "float": riff(FLOAT, 32, 24_000, 1, FLOAT32),
    "extensible, float": riff(EXTENSIBLE, 32, 24_000, 1, FLOAT32, sub=FLOAT),
    "mu-law": riff(MU_LAW, 8, 8_000, 1, mu_law(tone(8_000))),
    "header of a pipe, sizes 0": riff(
        *(PCM, 16, 24_000, 1, int16()), riff_size=0, data_size=0
    ),
    "header of a pipe, data size 0": riff(
        *(PCM, 16, 24_000, 1, int16()), riff_size=2**32 - 1, data_size=0
    ),
    "header of a pipe, largest sizes": riff(
        *(PCM, 16, 24_000, 1, int16()), riff_size=2**32 - 1, data_size=2**32 - 1
    ),
    "extensible, data size 0": riff(
        *(EXTENSIBLE, 16, 24_000, 1, int16()), sub=PCM, data_size=0
    ),
}


@pytest.mark.parametrize("kind", AS_THEY_ARE)
def test_wav_as_other_programs_write_it_is_read(tmp_path, kind):
    path = tmp_path / "tone.wav"
    path.write_bytes(AS_THEY_ARE[kind])
    assert_tone(read_wav(path))


def encoded(codec: str, container: str, rate: int = 48_000) -> bytes:
    """Return the tone as FFmpeg writes it."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        samples = (tone(rate) * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


ENCODED = {
    "A-law": ("pcm_alaw", "wav", 8_000),
    "ADPCM": ("adpcm_ima_wav", "wav", 16_000),
    "64 bit float": ("pcm_f64le", "wav", 44_100),
    "FLAC": ("flac", "flac", 44_100),
    "Opus": ("libopus", "ogg", 48_000),
    "MP3": ("libmp3lame", "mp3", 44_100),
    "AIFF": ("pcm_s16be", "aiff", 22_050),
    "AAC": ("aac", "mov", 48_000),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_other_encodings_are_read_whatever_the_name_of_the_file(tmp_path, kind):
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(*ENCODED[kind]))
    assert_tone(read_wav(path), tolerance=0.05)


def test_a_playlist_opens_no_other_file(tmp_path):
    (tmp_path / "sound.wav").write_bytes(AS_THEY_ARE["float"])
    for text in ("ffconcat version 1.0\nfile sound.wav\n", "#EXTM3U\nsound.wav\n"):
        path = tmp_path / "list.wav"
        path.write_text(text)
        with pytest.raises(InvalidWav, match="Use a WAV"):
            read_wav(path)


def assert_tone(pcm: bytes, tolerance: float = 0.03) -> None:
    """Fail unless ``pcm`` is a second of the tone; a codec may shift it a little."""
    samples = np.frombuffer(pcm, "<i2") / 32767
    assert 23_000 < len(samples) < 26_500
    middle = samples[4_000:16_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / 2**0.5, rel=0.1)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) == 220  # bins of 2 Hz
    others = np.concatenate([spectrum[:210], spectrum[231:]])
    assert others.max() < tolerance * spectrum.max()


NO_SOUND = {
    "no frames": riff(PCM, 16, 24_000, 1, b""),
    "no frames, largest sizes": riff(
        *(PCM, 16, 24_000, 1, b""), riff_size=2**32 - 1, data_size=2**32 - 1
    ),
    "no data": riff(PCM, 16, 24_000, 1, b"")[:36],
    "half a frame": riff(PCM, 16, 24_000, 1, b"\0"),
}


@pytest.mark.parametrize("kind", NO_SOUND)
def test_a_file_without_sound_is_refused(tmp_path, kind):
    path = tmp_path / "none.wav"
    path.write_bytes(NO_SOUND[kind])
    with pytest.raises(InvalidWav, match=rf"^{path}: .*\. Use a WAV"):
        read_wav(path)


@pytest.mark.parametrize("rate", [1, 400_000, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_refused(tmp_path, rate):
    path = tmp_path / "rate.wav"
    path.write_bytes(riff(PCM, 16, rate, 1, bytes(2_000_000)))
    with pytest.raises(InvalidWav, match=rf"{rate} Hz.*4000 to 384000 Hz"):
        read_wav(path)


def test_values_that_are_no_number_are_silence(tmp_path):
    path = tmp_path / "nan.wav"
    samples = np.array([0.5, np.nan, np.inf, -np.inf], "<f4")
    path.write_bytes(riff(FLOAT, 32, 24_000, 1, samples.tobytes()))
    assert np.frombuffer(read_wav(path), "<i2").tolist() == [16384, 0, 32767, -32767]


def test_a_path_that_cannot_be_opened_is_named_with_the_reason(tmp_path):
    for path, reason in ((tmp_path / "no.wav", "No such"), (tmp_path, "directory")):
        with pytest.raises(InvalidWav, match=rf"^{path}: .*{reason}"):
            read_wav(path)


def test_broken_files_are_read_or_refused_and_nothing_else(tmp_path):
    random = Random(6)
    path = tmp_path / "broken.wav"
    whole = [file[:4_000] for file in AS_THEY_ARE.values()]
    whole += [encoded(*ENCODED[kind])[:4_000] for kind in ("FLAC", "Opus", "AIFF")]
    outcomes = Counter()
    for _ in range(300):
        file = bytearray(random.choice(whole))
        for _ in range(random.choice([1, 3, 20])):
            end = random.choice([64, len(file)])  # the header matters most
            file[random.randrange(end)] = random.randrange(256)
        length = random.choice([len(file), random.randrange(64, 4_000)])
        path.write_bytes(file[:length])
        try:
            outcomes[len(read_wav(path)) > 0] += 1
        except InvalidWav as error:
            outcomes[str(error).startswith(f"{path}: ")] += 1
    assert outcomes == {True: 300}


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_wav_truncated_within_a_frame_keeps_its_whole_frames(tmp_path, width, missing):
    path = tmp_path / "cut.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(24_000)
        file.writeframes(bytes(2 * width * 100))
    path.write_bytes(path.read_bytes()[: -2 * width * 10 - missing])
    frames = 90 - -(-missing // (2 * width))
    assert len(read_wav(path)) == 2 * frames
