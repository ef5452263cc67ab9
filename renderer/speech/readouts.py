"""Read-outs of the lip-sync network that a driver keeps, and how it uses them."""

import numpy as np
import numpy.typing as npt

from renderer.speech.network_shape import CURVES, LAGS
from renderer.speech.phonemes import PHONEMES

# Look-ahead is counted in steps from the node after a moment: 100 to 120 ms.
MAX_LAG = LAGS - 2
KEPT_STEPS = 2 * LAGS + 6  # of output; more steps than can lie ahead of a frame
FADE_S = 0.06  # time in which the residual of a crossfade falls to 1/e


def silent_outputs() -> npt.NDArray[np.float32]:
    """Return the outputs ``[KEPT_STEPS, LAGS, curves and phonemes]`` of silence."""
    curves = len(CURVES)
    outputs = np.zeros((KEPT_STEPS, LAGS, curves + len(PHONEMES)), np.float32)
    outputs[..., CURVES.index("rest")] = 1.0
    outputs[..., curves + PHONEMES.index("SIL")] = 1.0
    return outputs
