"""Mean of the weights of two stages of the training."""

import torch

from renderer.speech.network import Network
from training.train import shut_more_readily

# The second stage makes the driver better for soft speakers, and a little worse
# elsewhere. With this share most of the gain is kept: docs/lips.md has the figures.
SECOND_SHARE = 0.2
# Added to the logit of "shut", which is less certain in a mean.
_SHUT_BIAS = 0.1


def mean(first: Network, second: Network) -> Network:
    """Return a network with the mean of the weights, whose lips shut more readily."""
    result = Network()
    begun, ended = first.state_dict(), second.state_dict()
    result.load_state_dict({
        name: torch.lerp(weight.double(), ended[name].double(), SECOND_SHARE).float()
        for name, weight in begun.items()
    })  # fmt: skip
    shut_more_readily(result, _SHUT_BIAS)
    return result
