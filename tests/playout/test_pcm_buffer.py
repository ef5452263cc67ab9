"""Buffer of a turn's PCM: what is read, what is kept, how much is copied at once."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.pcm_buffer import BLOCK_BYTES, PcmBuffer

APPENDS = st.tuples(st.just("append"), st.integers(0, 3 * BLOCK_BYTES))
FREES = st.tuples(st.just("free"), st.integers(-10, 6 * BLOCK_BYTES))
READS = st.tuples(st.just("read"), st.integers(0, 6 * BLOCK_BYTES))


def counted(start: int, size: int) -> bytes:
    """Return bytes that differ from block to block."""
    return bytes((start + place) % 251 for place in range(size))


@given(st.lists(APPENDS | FREES | READS, max_size=12))
def test_reads_as_one_sequence_of_bytes_does(script):
    buffer, whole, freed = PcmBuffer(), b"", 0
    for action, number in script:
        match action:
            case "append":
                data = counted(len(whole), number)
                whole += data
                buffer.append(data)
            case "free":
                buffer.free(number)
                freed = max(freed, min(number, len(whole)))
            case "read":
                stop = number + BLOCK_BYTES
                assert buffer.read(number, stop) == whole[max(number, freed) : stop]
        assert (buffer.start, buffer.end) == (freed, len(whole))
        assert buffer.kept_bytes < len(whole) - freed + BLOCK_BYTES


def test_an_append_after_a_free_copies_no_more_than_is_appended():
    buffer, message = PcmBuffer(), bytes(20 * BLOCK_BYTES)
    for _ in range(30):
        buffer.append(message)
    buffer.free(len(message) + 1)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        buffer.append(message)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - before < 2 * len(message)
