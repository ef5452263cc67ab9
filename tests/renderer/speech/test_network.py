"""Tests of weights files: saved, loaded, and refused with a reason."""

import numpy as np
import pytest
import torch

from renderer.speech.network import Network, load_network, save_network
from renderer.speech.network_shape import WEIGHTS, InvalidWeights


@pytest.fixture(scope="module")
def shipped():
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return dict(file)


def test_the_shipped_weights_are_finite_float32(shipped):
    assert {array.dtype.name for array in shipped.values()} == {"float32"}
    assert all(np.isfinite(array).all() for array in shipped.values())
    assert sum(array.size for array in shipped.values()) == 1_022_413


def test_saved_weights_load_bit_identically(tmp_path):
    torch.manual_seed(1)
    network = Network()
    save_network(network, tmp_path / "lips.npz")
    loaded = load_network(tmp_path / "lips.npz").state_dict()
    assert loaded.keys() == network.state_dict().keys()
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, loaded[name])


def test_the_same_weights_give_the_same_file(tmp_path):
    network = load_network(WEIGHTS)
    save_network(network, tmp_path / "lips.npz")
    assert (tmp_path / "lips.npz").read_bytes() == WEIGHTS.read_bytes()


def change(arrays, **changes):
    changed = {**arrays, **changes}
    return {name: array for name, array in changed.items() if array is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_joint.bias": None}, "has no array _joint.bias: add floats of shape 192"),
        ({"_joint.bias": np.zeros(8, "f4")}, "_joint.bias is float32 of shape 8, exp"),
        ({"_joint.bias": np.zeros(192, "i4")}, "_joint.bias is int32 of shape 192"),
        ({"_joint.bias": np.full(192, np.nan, "f4")}, "_joint.bias has values that"),
        ({"_joint.bias": np.array([{}])}, "_joint.bias cannot be read: Object arrays"),
        ({"_other.bias": np.zeros(8, "f4")}, "has unknown arrays: _other.bias"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, shipped, changes, message):
    path = tmp_path / "other.npz"
    np.savez(path, **change(shipped, **changes))
    with pytest.raises(InvalidWeights) as error:
        load_network(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "lips.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(InvalidWeights, match=r"safetensors cannot be read: .*npz"):
        load_network(path)
