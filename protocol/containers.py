"""Recognition of audio files that are sent in place of PCM."""

_MAGIC = {
    b"RIFF": "WAV",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"\x1aE\xdf\xa3": "WebM",
}


def container_of(pcm: bytes) -> str | None:
    """Return the format of the file that ``pcm`` begins like, or None."""
    start = pcm[:4]
    return "MP3" if start[:3] == b"ID3" else _MAGIC.get(start)
