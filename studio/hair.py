"""
Hair: strands along the card mesh of a MakeHuman hair, or grown on the scalp.

Each texture island of the cards is rasterised into a grid of positions. A strand
follows one column of the grid from root (top of the texture) to tip, at a small
distance from the card.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from studio import complexion
from studio.fringe import swept
from studio.growth import Growth, grow
from studio.human import BODY, Human
from studio.mesh import Floats, Ints, Mesh
from studio.people import Hair

Bools = NDArray[np.bool_]
_GRID = 260  # cells per side of a rasterised island
_STEPS = 36  # points of a strand
_DEPTH = 0.07  # thickness of the hair below the card, decimetres
_CLUMPS = 260
_FLYAWAYS = 0.05  # fraction of the strands
_FINE_MIN = 0.07  # lowest root above the hairline, decimetres: lower is the forehead
_SPARSE = 0.2  # decimetres over which short hair thins out to the forehead


def strands(human: Human, settings: Hair) -> Floats:
    """Return the hair in the rest pose, [strands, steps, 3]."""
    if not settings.style:
        return _cropped(human, settings)
    proxy = human.proxy("hair", settings.style)
    vertices = proxy.fit(human.rest)
    rng = np.random.default_rng(human.person.seed)
    patches = list(_patches(proxy.mesh, vertices))
    areas = np.array([_area(xyz, triangles) for _, xyz, triangles in patches])
    counts = (settings.count * areas / areas.sum()).astype(int)
    lines = []
    for (uv, xyz, triangles), count in zip(patches, counts, strict=True):
        lines += _trace(_position_grid(uv, xyz, triangles), count, rng)
    chin = human.chin()
    paths = np.array(lines)
    if settings.swept:
        paths = swept(paths, human)
    if settings.cut_below_chin is not None:
        end = chin[1] - settings.cut_below_chin
        paths = _tucked(_cut(paths, end, rng), end, human.skull())
    if settings.loft is not None:
        paths = _flattened(paths, human, settings.loft)
    valid = _has_no_bridge(paths, human.brow_height())
    paths = _groomed(paths, human.skull(), settings, rng)
    if not settings.swept:
        paths = _closed_parting(paths, settings.parting)
    return np.concatenate([paths[valid], _hairline(human, settings, rng)])


def _has_no_bridge(paths: Floats, brow: float) -> Bools:
    """
    Return for each strand whether it has no long sideways step beside the face.

    Grid cells at the edge of a card make strands with such steps.
    """
    step = np.diff(paths, axis=1)
    beside = np.abs(paths[:, :-1, 1] - brow + 0.15) < 0.45
    across = np.hypot(step[:, :, 0], step[:, :, 2]) > 1.2 * np.abs(step[:, :, 1])
    long = np.linalg.norm(step, axis=2) > 0.01
    valid: Bools = ~(beside & across & long).any(1)
    return valid


def _cropped(human: Human, settings: Hair) -> Floats:
    """Return short hair: up and aside on top, down at the sides, longest on top."""
    rng = np.random.default_rng(human.person.seed)
    eye = human.brow_height()
    sides, top = settings.crop

    def height(places: Floats) -> Floats:
        """Return 0 at the ears .. 1 where the hair is longest."""
        share: Floats = ((places[:, 1] - eye - 0.25) / 0.55).clip(0, 1)
        return share

    def comb(places: Floats) -> Floats:
        up = height(places)[:, None]
        side = np.sign(places[:, :1])
        over = np.concatenate([0.2 * side + 0.5, 0.5 + 0 * side, -0.55 + 0 * side], 1)
        down = np.concatenate([0 * side, -1 + 0 * side, -0.25 + 0 * side], 1)
        swirl = np.sin(places[:, [2, 0, 0]] * 21.0 + places[:, [0, 2, 1]] * 17.0)
        direction: Floats = up * over + (1 - up) * down + 0.3 * swirl
        return direction

    plan = Growth(
        count=settings.count,
        steps=10,
        length=lambda p: sides + (top - sides) * height(p) ** 1.5,
        comb=comb,
        lift=lambda p: 0.2 + 0.4 * height(p),
        spread=0.35,
    )
    mask = complexion.scalp(human, _SPARSE) ** 2
    return grow(human, mask, plan, rng)


def _hairline(human: Human, settings: Hair, rng: np.random.Generator) -> Floats:
    """Return fine hair between the forehead and the long hair."""
    over = complexion.height_over_hairline(human)
    at, skull = human.rest, human.skull()
    front = at[:, 2] > skull[2] + 0.1
    mask = complexion.scalp(human) * front * np.exp(-(((over - 0.1) / 0.2) ** 2))
    mask *= over > _FINE_MIN
    plan = Growth(
        count=settings.hairline,
        steps=_STEPS,
        length=lambda p: np.full(len(p), 0.5),
        comb=lambda p: _from_parting(p, settings.parting),
        lift=lambda p: np.full(len(p), 0.16),
        spread=0.14,
    )
    return grow(human, mask, plan, rng)


def _from_parting(places: Floats, parting: float) -> Floats:
    """Return directions: away from the parting, back, and down at the temples."""
    side = np.tanh((places[:, 0] - parting) / 0.08)
    temple = np.tanh((places[:, 0] / 0.4) ** 4)
    return np.stack([side, -0.2 - 1.2 * temple, np.full(len(side), -0.9)], 1)


def _closed_parting(paths: Floats, parting: float) -> Floats:
    """Return strands whose roots are drawn towards the parting to close it."""
    closer = paths.copy()
    x = closer[:, :, 0] - parting
    near = np.exp(-((x / 0.15) ** 2)) * np.linspace(1, 0, _STEPS) ** 2
    closer[:, :, 0] -= 0.7 * x * near
    return closer


def _patches(mesh: Mesh, vertices: Floats) -> Iterator[tuple[Floats, Floats, Ints]]:
    """Yield texture coordinates, positions and triangles of each island."""
    position = np.zeros((len(mesh.uvs), 3))
    for face, corners in zip(mesh.faces, mesh.uv_faces, strict=True):
        position[corners] = vertices[face]
    label = mesh.uv_islands()
    for k in range(label.max() + 1):
        island = [face for face in mesh.uv_faces if label[face[0]] == k]
        triangles = [t for face in island for t in _fan(face)]
        if triangles:
            yield mesh.uvs, position, np.array(triangles)


def _fan(face: list[int]) -> list[list[int]]:
    return [[face[0], *face[i : i + 2]] for i in range(1, len(face) - 1)]


def _area(position: Floats, triangles: Ints) -> float:
    a, b, c = (position[triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _position_grid(uv: Floats, position: Floats, triangles: Ints) -> Floats:
    """
    Return the position at each cell of a grid over the island; row 0 has tips.

    Cells outside of the island are nan.
    """
    used = np.unique(triangles)
    low, high = uv[used].min(0), uv[used].max(0)
    scaled = (uv - low) / np.maximum(high - low, 1e-6) * (_GRID - 1)
    grid = np.full((_GRID, _GRID, 3), np.nan)
    for triangle in triangles:
        a, b, c = scaled[triangle]
        edges = np.stack([b - a, c - a], 1)
        if abs(np.linalg.det(edges)) < 1e-9:
            continue
        corners = np.stack([a, b, c])
        first = np.floor(corners.min(0)).astype(int)
        last = np.minimum(np.ceil(corners.max(0)).astype(int), _GRID - 1)
        x, y = np.meshgrid(
            *(np.arange(f, e + 1) for f, e in zip(first, last, strict=True))
        )
        cells = np.stack([x.ravel(), y.ravel()])
        share = np.linalg.solve(edges, cells - a[:, None])
        weights = np.stack([1 - share.sum(0), *share], 1)
        inside = (weights > -0.02).all(1)
        grid[cells[1, inside], cells[0, inside]] = weights[inside] @ position[triangle]
    return grid


def _trace(grid: Floats, count: int, rng: np.random.Generator) -> list[Floats]:
    """Return strands that start in random cells; too short columns give none."""
    filled = ~np.isnan(grid[:, :, 0])
    rows, columns = np.nonzero(filled)
    lines: list[Floats] = []
    if len(rows) < 50:
        return lines
    for cell in rng.integers(0, len(rows), count):
        x, row = columns[cell], rows[cell]
        gaps = np.flatnonzero(~filled[:, x])
        low = gaps[gaps < row].max(initial=-1) + 1
        high = gaps[gaps > row].min(initial=_GRID) - 1
        if high - low < 12:
            continue
        length = high - low
        start = high - rng.random() ** 2 * 0.1 * length
        end = low + rng.random() ** 2 * 0.1 * length
        y = np.linspace(start, end, _STEPS).round().astype(int)
        sway = rng.normal(0, 0.8) * np.sin(np.linspace(0, 3, _STEPS))
        bent = (x + sway).clip(0, _GRID - 1).round().astype(int)
        if not filled[y, bent].all():  # swaying would leave the island
            bent[:] = x
        line = grid[y, bent]
        for _ in range(3):  # smooth the steps between cells
            line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
        lines.append(line)
    return lines


def _cut(paths: Floats, height: float, rng: np.random.Generator) -> Floats:
    """Return strands cut unevenly at about ``height``, without those too short."""
    knots = np.arange(_STEPS, dtype=float)
    cut = []
    for line, end in zip(paths, height + _ragged(len(paths), rng), strict=True):
        below = np.flatnonzero(line[:, 1] < end)
        last = float(_STEPS - 1)
        if len(below):
            first = max(int(below[0]), 1)
            above, beneath = line[first - 1 : first + 1, 1]
            last = first - 1 + (above - end) / max(above - beneath, 1e-6)
        if last > 6:
            at = np.linspace(0, last, _STEPS)
            cut.append(
                np.stack([np.interp(at, knots, line[:, i]) for i in range(3)], 1)
            )
    return np.array(cut)


def _ragged(count: int, rng: np.random.Generator) -> Floats:
    """Return how much higher each strand ends: mostly little, a few clearly."""
    return 0.18 * rng.random(count) ** 2 + rng.normal(0, 0.02, count)


def _flattened(paths: Floats, human: Human, loft: float) -> Floats:
    """Return strands that come near ``loft`` over the head's top, but not above it."""
    top = human.rest[BODY][:, 1].max()
    flat = paths.copy()
    over = (flat[:, :, 1] - top + loft).clip(0)
    flat[:, :, 1] -= over - 2 * loft * over / (2 * loft + over)
    return flat


def _tucked(paths: Floats, end: float, skull: Floats) -> Floats:
    """Return strands whose last decimetre bends towards the neck, like cut hair."""
    bent = paths.copy()
    low = ((end + 1.1 - bent[:, :, 1]) / 1.1).clip(0, 1) ** 2
    bent[:, :, 0] *= 1 - 0.24 * low
    bent[:, :, 2] += 0.10 * low * (skull[2] - bent[:, :, 2])
    return bent


def _groomed(
    paths: Floats, skull: Floats, settings: Hair, rng: np.random.Generator
) -> Floats:
    """Return strands with depth below the card, clumps, waves and flyaways."""
    count = len(paths)
    t = np.linspace(0, 1, _STEPS)[None, :, None]
    out = (paths - skull) * [1, 0.35, 1]
    out /= np.linalg.norm(out, axis=2, keepdims=True)
    depth = _DEPTH * rng.random(count)[:, None, None]
    paths = paths - out * depth * np.minimum(1, t * 5 + 0.25)
    seeds = paths[rng.choice(count, _CLUMPS), _STEPS // 2]
    clump = cKDTree(seeds).query(paths[:, _STEPS // 2])[1]
    paths = paths + rng.normal(0, settings.clumping, (_CLUMPS, 3))[clump][:, None] * t
    turn = 2 * np.pi * (settings.waves * t[0, :, 0] + rng.random((_CLUMPS, 1)))
    wave = settings.wave_height * np.sin(turn)[:, :, None] * t
    paths = paths + (out * wave[clump])
    stray = rng.random(count) < _FLYAWAYS
    paths[stray] += rng.normal(0, 0.04, (int(stray.sum()), 1, 3)) * t**1.5
    paths += rng.normal(0, 0.006, (count, 1, 3))
    return paths
