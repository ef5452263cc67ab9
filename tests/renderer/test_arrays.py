"""Arrays of .npz files, read in pieces."""

import io

import numpy as np
import pytest

from renderer.arrays import Arrays


class Refused(Exception):
    """Error of the file's owner."""


def archive(save, array):
    save(content := io.BytesIO(), values=array)
    return content.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_of_many_pieces_is_read_whole(save):
    values = np.random.default_rng(1).random((300, 1000), np.float32)
    arrays = Arrays("a.npz", archive(save, values), Refused)
    assert np.array_equal(arrays.get("values", "f", (300, 1000)), values)


def test_a_damaged_byte_is_found_by_the_checksum():
    values = np.zeros((300, 1000), np.float32)
    content = bytearray(archive(np.savez, values))
    content[len(content) // 2] ^= 1
    arrays = Arrays("a.npz", bytes(content), Refused)
    with pytest.raises(Refused, match=r"values cannot be read: Bad CRC-32"):
        arrays.get("values", "f", (300, 1000))
