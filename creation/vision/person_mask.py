"""
Network that tells people from the background.

Source of layers and weights: MediaPipe 0.10.21, ``selfie_segmentation``.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from creation.arrays import Picture
from creation.vision.blocks import SameConv
from creation.vision.weights import loaded

SIDE = 256  # pixels of the input


class ChannelGate(nn.Module):
    """Factor 0..1 of each channel, computed from its mean (squeeze and excitation)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))


class InvertedBlock(nn.Module):
    """
    Block of MobileNetV3: widen, depthwise convolution, narrow.

    ``squeezed`` channels pass its gate, which it has if the number is above 0.
    """

    def __init__(
        self,
        inputs: int,
        wide: int,
        outputs: int,
        *,
        size: int = 3,
        stride: int = 1,
        squeezed: int = 0,
        activation: Callable[[Tensor], Tensor] = F.hardswish,
    ) -> None:
        super().__init__()
        self.widen = nn.Conv2d(inputs, wide, 1)
        self.depthwise = SameConv(wide, wide, size, stride, groups=wide)
        self.gate = ChannelGate(wide, squeezed) if squeezed else None
        self.narrow = nn.Conv2d(wide, outputs, 1)
        self._activation = activation
        self._is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        wide = self._activation(self.depthwise(self._activation(self.widen(x))))
        if self.gate:
            wide = wide * self.gate(wide)
        y: Tensor = self.narrow(wide)
        return x + y if self._is_residual else y


class Merge(nn.Module):
    """Doubled coarse map and gated fine map, merged into one."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.match = nn.Conv2d(coarse, fine, 1)
        self.gate = ChannelGate(fine, fine)
        self.mix = nn.Conv2d(fine, fine, 1)
        self.depthwise = SameConv(fine, fine, 3, groups=fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        doubled = F.interpolate(
            coarse, scale_factor=2, mode="bilinear", align_corners=False
        )
        matched = self.match(doubled)
        mixed = F.relu(self.mix(fine * self.gate(fine + matched) + matched))
        return mixed + F.relu(self.depthwise(mixed))


class PersonMask(nn.Module):
    """Encoder of MobileNetV3's kind, and a decoder of three merges."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 16, 3, 2)
        self.fine = InvertedBlock(
            16, 16, 16, stride=2, squeezed=8, activation=F.relu
        )  # 64 x 64
        self.middle = nn.Sequential(  # 32 x 32
            InvertedBlock(16, 72, 24, stride=2, activation=F.relu),
            InvertedBlock(24, 88, 24, activation=F.relu),
        )
        self.coarse = nn.Sequential(  # 16 x 16
            InvertedBlock(24, 96, 32, size=5, stride=2, squeezed=24),
            InvertedBlock(32, 128, 32, size=5, squeezed=32),
            InvertedBlock(32, 128, 32, size=5, squeezed=32),
            InvertedBlock(32, 96, 32, size=5, squeezed=24),
            InvertedBlock(32, 96, 32, size=5, squeezed=24),
        )
        self.local = nn.Conv2d(32, 128, 1)
        self.overall = nn.Conv2d(32, 128, 1)
        self.merges = nn.ModuleList([Merge(128, 24), Merge(24, 16), Merge(16, 16)])
        self.segment = nn.ConvTranspose2d(16, 1, 2, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        """
        Return the probability ``[B, 256, 256]`` that a pixel shows a person.

        ``pictures`` is ``[B, 3, 256, 256]`` with values 0..1.
        """
        stem = F.hardswish(self.stem(pictures))
        fine = self.fine(stem)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        overall = self.overall(coarse.mean((2, 3), keepdim=True))
        x = F.relu(self.local(coarse)) * torch.sigmoid(overall)
        for merge, encoded in zip(self.merges, (middle, fine, stem), strict=True):
            x = merge(x, encoded)
        return torch.sigmoid(self.segment(x))[:, 0]


def person_mask(picture: Picture) -> Picture:
    """
    Return the probability ``[H, W]``, float32 0..1, that a pixel shows a person.

    ``picture`` is ``[H, W, 3]``, float32 0..1. The network sees it as a square of
    256 pixels. Raises `WeightsMissing`.
    """
    whole = torch.from_numpy(picture).permute(2, 0, 1)[None]
    small = F.interpolate(
        whole, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
    )
    with torch.inference_mode():
        mask = loaded(PersonMask)(small)[None]
    large = F.interpolate(mask, picture.shape[:2], mode="bicubic", align_corners=False)
    return large[0, 0].clamp(0, 1).numpy()
