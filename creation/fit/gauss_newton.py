"""Pose, identity and expression of a face, from its landmarks: Gauss-Newton."""

from dataclasses import dataclass, replace

import numpy as np

from creation.arrays import Floats
from creation.donor.loader import Donor
from creation.fit.rotation import rotation
from creation.fit.units import FITTED, GAZES, RARE, rows
from creation.vision.rings import (
    COUNT,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from renderer.arkit import UNITS

_ROUNDS = 16
_HALF_ROUNDS = 3  # first rounds, which go half of the way
# Standard deviation of a landmark, of the face's height. Neighbours err alike: 478
# landmarks are worth some 60 independent ones.
_LANDMARK = 0.02
_OVAL, _LIPS, _LIDS, _IRIS = 3.0, 0.8, 0.7, 0.8  # times that, by the kind of landmark
_SPREAD_LIMIT_M = 0.02  # of the points that a landmark was seen at on the donor
_FACE_M = 0.19  # height of the donor's face
_HUBER = 2.5  # standard deviations at which the cost of a landmark becomes linear
# Standard deviations of the unknowns.
_SCALE, _DEPTH_M = 0.12, 0.05  # left free, the distance runs away
_IDENTITY, _MAX_IDENTITY = 0.45, 1.6
_UNIT, _RARE_UNIT, _GAZE = 0.35, 0.1, 0.02  # people look into the camera
_SHUT_UNIT = 0.04  # with lips shut the photo shows this person at rest
_POSE = 7  # unknowns before identity: rotation, shift, log scale
_TINY = 1e-9  # keeps the system regular where nothing else does


@dataclass(frozen=True, slots=True)
class Estimate:
    """Similarity, identity and expression that put a donor where the photo is."""

    centre: Floats  # [3]: point of the donor that it turns about
    rotation: Floats  # [3, 3]
    shift: Floats  # [3], metres
    log_scale: float
    identity: Floats  # [103]
    fitted: Floats  # weights of FITTED

    def move(self, points: Floats) -> Floats:
        """Return points ``[..., 3]`` of the donor where the photo has them."""
        return self.turn(points - self.centre) + self.centre + self.shift

    def turn(self, moves: Floats) -> Floats:
        """Return displacements ``[..., 3]`` of the donor, turned and scaled."""
        turned: Floats = np.exp(self.log_scale) * moves @ self.rotation.T
        return turned

    @property
    def expression(self) -> Floats:
        """Return the weights of all units, [56]."""
        weights = np.zeros(len(UNITS))
        weights[rows(FITTED)] = self.fitted
        return weights


def estimate(
    landmarks: Floats, donor: Donor, shapes: Floats, camera: Floats, shut: bool
) -> Estimate:
    """
    Return what explains ``landmarks`` ``[478, 3]`` (plate pixels) best.

    ``shapes`` ``[56, V, 3]`` are the donor's units in the size that they are fitted in.
    ``shut`` says that the lips touch: then identity explains nearly all.
    """
    problem = _Problem.of(landmarks, donor, shapes, camera, shut)
    found = Estimate(
        centre=problem.neutral[donor.landmarks.known].mean(0),
        rotation=np.eye(3),
        shift=np.zeros(3),
        log_scale=0.0,
        identity=np.zeros(len(donor.identities)),
        fitted=np.zeros(len(FITTED)),
    )
    for number in range(_ROUNDS):
        step = problem.step(found)
        if number < _HALF_ROUNDS:
            step[_POSE:] *= 0.5
        found = _taken(found, step)
    return found


def _taken(at: Estimate, step: Floats) -> Estimate:
    count = len(at.identity)
    return replace(
        at,
        rotation=rotation(step[:3]) @ at.rotation,
        shift=at.shift + step[3:6],
        log_scale=at.log_scale + float(step[6]),
        identity=(at.identity + step[_POSE : _POSE + count]).clip(
            -_MAX_IDENTITY, _MAX_IDENTITY
        ),
        fitted=(at.fitted + step[_POSE + count :]).clip(0, 1),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """Landmarks to explain, and the linear parts of what explains them."""

    landmarks: Floats  # [478, 2], pixels
    weights: Floats  # [478]: 1 / standard deviation; 0 for a landmark without a point
    neutral: Floats  # [478, 3]: landmarks of the donor
    moves: Floats  # [identities + units, 478, 3]
    camera: Floats  # [3, 4]
    prior: Floats  # [unknowns]: 1 / standard deviation

    @classmethod
    def of(
        cls, landmarks: Floats, donor: Donor, shapes: Floats, camera: Floats, shut: bool
    ) -> "_Problem":
        points = donor.landmarks
        known = points.known
        return cls(
            landmarks=landmarks[:, :2],
            weights=np.where(known, 1 / _deviations(landmarks, points.spread), 0),
            neutral=points.of(donor.neutral),
            moves=np.concatenate(
                [points.of(donor.identities), points.of(shapes[rows(FITTED)])]
            ),
            camera=camera,
            prior=_prior(len(donor.identities), shut),
        )

    def step(self, at: Estimate) -> Floats:
        """Return the step of all unknowns: rotation, shift, scale, identity, units."""
        weights = np.concatenate([at.identity, at.fitted])
        turned = at.turn(
            self.neutral + np.tensordot(weights, self.moves, 1) - at.centre
        )
        clip = (turned + at.centre + at.shift) @ self.camera[:, :3].T + self.camera[
            :, 3
        ]
        pixels = clip[:, :2] / clip[:, 2:]
        per_metre = (
            self.camera[None, :2, :3] - pixels[..., None] * self.camera[None, 2:, :3]
        ) / clip[:, 2, None, None]  # [478, 2, 3]
        axes = np.eye(3)[:, None]
        by_unknown = np.concatenate(
            [
                np.cross(axes, turned[None]),
                np.broadcast_to(axes, (3, len(turned), 3)),
                turned[None],
                at.turn(self.moves),
            ]
        )  # [unknowns, 478, 3]
        jacobian = np.einsum("nij,pnj->nip", per_metre, by_unknown)
        off = self.landmarks - pixels
        weight = self._robust(off)
        a = (jacobian * weight[:, None, None]).reshape(-1, len(self.prior))
        b = (off * weight[:, None]).ravel()
        values = np.concatenate([np.zeros(3), at.shift, [at.log_scale], weights])
        return self._solved(a, b, values)

    def _robust(self, off: Floats) -> Floats:
        """Return weights ``[478]`` that limit the influence of outliers."""
        deviations = np.linalg.norm(off, axis=1) * self.weights
        shrunk: Floats = self.weights * np.sqrt(_HUBER / deviations.clip(_HUBER))
        return shrunk

    def _solved(self, a: Floats, b: Floats, values: Floats) -> Floats:
        left = a.T @ a + np.diag(self.prior**2 + _TINY)
        right = a.T @ b - self.prior**2 * values
        # Weights of units are not negative: one that is 0 and would fall stays.
        unit = np.arange(len(values)) >= len(values) - len(FITTED)
        free = ~(unit & (values <= 0) & (right < 0))
        step = np.zeros(len(values))
        step[free] = np.linalg.solve(left[np.ix_(free, free)], right[free])
        return step


def _deviations(landmarks: Floats, spread: Floats) -> Floats:
    """Return the standard deviation of each landmark in pixels, [478]."""
    height = float(np.ptp(landmarks[list(OVAL), 1]))
    factor = np.ones(COUNT)
    for ring, times in (
        (OVAL, _OVAL),
        ((*LIPS_INNER, *LIPS_OUTER), _LIPS),
        ((*RIGHT_EYE, *LEFT_EYE), _LIDS),
        ((*RIGHT_IRIS, *LEFT_IRIS), _IRIS),
    ):
        factor[list(ring)] *= times
    seen = spread.clip(max=_SPREAD_LIMIT_M) / _FACE_M / 2
    deviations: Floats = height * np.hypot(_LANDMARK * factor, seen)
    return deviations


def _prior(identities: int, shut: bool) -> Floats:
    """Return 1 / standard deviation of each unknown; 0 leaves it free."""
    pose = [0.0, 0, 0, 0, 1 / _DEPTH_M, 0, 1 / _SCALE]
    units = [
        _GAZE if name in GAZES
        else _SHUT_UNIT if shut
        else _RARE_UNIT if name in RARE
        else _UNIT
        for name in FITTED
    ]  # fmt: skip
    return np.concatenate(
        [pose, np.full(identities, 1 / _IDENTITY), 1 / np.array(units)]
    )
