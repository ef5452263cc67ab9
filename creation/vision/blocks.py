"""Layers that the three networks share."""

from collections.abc import Callable, Iterable

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[int], nn.Module]  # channels -> layer


class SameConv(nn.Conv2d):
    """
    Convolution that keeps the size, or halves an even size with ``stride`` 2.

    It pads as TensorFlow's ``SAME`` does: of an odd number of rows and columns, the
    last sides get one more.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, size, stride, groups=groups)
        first, both = (size - stride) // 2, size - stride
        self._sides = (first, both - first, first, both - first)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self._sides))


class ResidualBlock(nn.Module):
    """
    Depthwise and pointwise convolution, added to the input.

    With ``stride`` 2, the input is halved by max pooling. Additional channels of the
    output get nothing of the input.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, activation: Activation
    ) -> None:
        super().__init__()
        self.stride, self.more = stride, outputs - inputs
        self.depthwise = SameConv(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.activation = activation(outputs)

    def forward(self, x: Tensor) -> Tensor:
        change = self.pointwise(self.depthwise(x))
        if self.stride == 2:
            x = F.max_pool2d(x, 2)
        x = F.pad(x, (0, 0, 0, 0, 0, self.more))
        y: Tensor = self.activation(x + change)
        return y


def residual_blocks(
    inputs: int, outputs: Iterable[int], strided: Iterable[int], activation: Activation
) -> nn.Sequential:
    """
    Return residual blocks one after the other.

    ``outputs`` are their channels, and ``strided`` the numbers of the blocks that
    halve the size.
    """
    halving, blocks = set(strided), []
    for number, channels in enumerate(outputs):
        stride = 2 if number in halving else 1
        blocks.append(ResidualBlock(inputs, channels, stride, activation))
        inputs = channels
    return nn.Sequential(*blocks)
