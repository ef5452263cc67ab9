"""Fit of a donor to photos of random rendered people, whose moves are known."""

import numpy as np
import pytest

from creation.donor.loader import load_donor
from creation.fit.face import fit_face
from creation.lid_edges import with_lid_edges
from creation.raster import raster
from creation.vision import find_faces, landmarks
from creation.vision.rings import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from lite_gateway.config import shipped_avatars
from tests.creation import people

STEP = 0.5
LIDS = ("half", "blink")


class Photo:
    """Photo of a random person, fitted with mira."""

    def __init__(self, name):
        picture = people.photo(name)
        self.truth = people.truth(name)
        self.found = landmarks(picture, find_faces(picture)[0]).points
        points = self.marks = with_lid_edges(picture, self.found)
        self.eyes = np.linalg.norm((points[RIGHT_IRIS[0]] - points[LEFT_IRIS[0]])[:2])
        self.fitted = fit_face(
            points, load_donor("mira", shipped_avatars()), len(picture)
        )

    def carried(self, points, weights):
        """Return where the fitted skin carries pixels ``[n, 2]`` of the photo."""
        fitted = self.fitted
        triangles = fitted.donor.triangles  # eyeballs too: they hide their sockets
        low, high = np.floor(points.min(0) - 9), np.ceil(points.max(0) + 9)
        xy, depth = fitted.project(fitted.photo)
        drawn = raster(xy, depth, triangles, (*low, *high), STEP)
        moved, _ = fitted.project(fitted.posed(weights))
        moves = drawn.interpolate(triangles, moved - xy)
        skin = fitted.donor.part("skin")[triangles[drawn.triangle, 0]]
        rows, columns = np.nonzero(drawn.hit & skin)
        at = low + STEP * (np.stack([columns, rows], 1) + 0.5)
        nearest = [int(((at - point) ** 2).sum(1).argmin()) for point in points]
        return points + moves[rows[nearest], columns[nearest]]

    def above_landmarks(self, points):
        """Return how far true edges of upper lids lie above, of the width of an eye."""
        found = []
        for ring in (RIGHT_EYE, LEFT_EYE):
            eye, lid = points[list(ring), :2], points[list(ring[10:15]), :2]
            lines = [line[0] for line in self.truth.lids]
            near = [q for q in lines if np.ptp(np.append(q[:, 0], eye[:, 0])) < 80]
            edge = min(near, key=lambda q: q[:, 1].mean())
            edge = edge[edge[:, 0].argsort()]
            rows = np.interp(lid[:, 0], edge[:, 0], edge[:, 1])
            found.append((lid[:, 1] - rows).mean() / np.ptp(eye[:, 0]))
        return np.array(found)

    def error(self, lines, row):
        """Return the mean error of lines in a keyframe, in distances of the eyes."""
        weights = self.truth.weights[row]
        off = [
            np.linalg.norm(
                self.carried(line[0], weights) - line[row + 1], axis=1
            ).mean()
            for line in lines
        ]
        return np.mean(off) / self.eyes


@pytest.fixture(scope="module", params=people.PEOPLE)
def photo(request, networks):
    return Photo(request.param)


def test_lips_of_other_people_go_where_the_true_ones_do(photo):
    rows = [k for k, name in enumerate(photo.truth.names) if name not in LIDS]
    errors = [photo.error([photo.truth.outer_lips], row) for row in rows]
    assert np.mean(errors) < 0.015  # the goal is 0.018
    assert max(errors) < 0.025


def test_upper_lids_have_their_landmarks_at_their_edges(photo):
    assert np.abs(photo.above_landmarks(photo.marks)).max() < 0.02
    # The network's own are up to 0.034 off.
    before, after = (photo.above_landmarks(p) for p in (photo.found, photo.marks))
    assert np.abs(after).max() < max(0.01, 0.6 * np.abs(before).max())


def test_lids_of_other_people_go_where_the_true_ones_do(photo):
    errors = [
        photo.error(photo.truth.lids, photo.truth.names.index(name)) for name in LIDS
    ]
    # The goal is 0.012, which cho misses by a fifth: at the outer corners the fitted
    # edge of the lower lid is 2 to 4 px too low, so that the skin next to the true one
    # is the upper lid's. With the lower lid's it would be 0.0105.
    assert np.mean(errors) < 0.015
