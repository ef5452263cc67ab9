"""WAV files of any format, read as the PCM of the wire."""

import wave

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


def test_file_that_is_no_wav_is_refused(tmp_path):
    path = tmp_path / "mp3.wav"
    path.write_bytes(b"ID3 and the rest of an mp3")
    with pytest.raises(InvalidWav, match="Use a PCM WAV"):
        read_wav(path)


@pytest.mark.parametrize("size", [0, 20])
def test_wav_with_a_truncated_header_is_refused(tmp_path, size):
    path = tmp_path / "cut.wav"
    path.write_bytes(b"RIFF\xff\0\0\0WAVEfmt \x10\0\0\0"[:size])
    with pytest.raises(InvalidWav, match=r"ends too early\. Use a PCM WAV"):
        read_wav(path)


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
