"""Linear controls: amounts that shapes need, as a matrix product of the face vector."""

from collections.abc import Mapping

import torch
from torch import Tensor

from renderer.face import INDEX, SIZE

Table = Mapping[str, Mapping[str, float]]


class Controls:
    """
    Matrix that turns faces into named amounts.

    A row of the table gives the amount at rest as ``rest``, and the change per unit of
    each face weight. A weight named without its side is the mean of left and right.
    """

    def __init__(self, table: Table, device: torch.device) -> None:
        self.names = tuple(table)
        matrix = torch.zeros(SIZE, len(table))
        rest = torch.zeros(len(table))
        for column, row in enumerate(table.values()):
            for name, amount in row.items():
                if name == "rest":
                    rest[column] = amount
                elif name in INDEX:
                    matrix[INDEX[name], column] += amount
                else:
                    matrix[INDEX[name + "Left"], column] += amount / 2
                    matrix[INDEX[name + "Right"], column] += amount / 2
        self._matrix = matrix.to(device)
        self._rest = rest.to(device)

    def __call__(self, faces: Tensor) -> dict[str, Tensor]:
        """Return the amounts ``[B, 1, 1]`` by name for ``faces`` ``[B, 57]``."""
        amounts = torch.addmm(self._rest, faces, self._matrix)
        return dict(zip(self.names, amounts[..., None, None].unbind(1), strict=True))
