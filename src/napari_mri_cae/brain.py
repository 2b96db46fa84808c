"""Where the brain is in a T1-weighted volume, with the skull or without."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.suitability import head_of
from napari_mri_cae.volume import Volume

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

# Voxels of the grid that the surface moves in are about so large, in mm.
_WORKING_MM: Final = 2.0
# On the volume scale: what a stripped volume has besides its constant background.
_CONSTANT: Final = 0.005
# Litres of tissue below which nothing is a head.
_SMALLEST_HEAD: Final = 0.5
# Litres that hardly any skull holds.
_LARGEST_BRAIN: Final = 2.0
# From the top of the head down to below the cerebellum, in mm.
_HEIGHT: Final = 140.0

# Smith 2002; lengths in mm.
_SUBDIVISIONS: Final = (3, 4)
_ITERATIONS: Final = (450, 150)
_THRESHOLDS: Final = (0.47, 0.55, 0.63, 0.71)
_DEPTHS: Final = np.arange(0.0, 20.1, 2.0, dtype=np.float32)
_SHALLOW: Final = 10.0
_SHARPEST: Final = 3.33
_BLUNTEST: Final = 10.0


def brain_mask(volume: Volume) -> Mask:
    """Return which voxels lie in the brain, its ventricles and sulci included.

    In a skull-stripped volume that is all that is not its constant background. In a whole head a surface
    grows from the middle of the head until it meets the dark fluid and bone around the brain, as in Smith's
    Brain Extraction Tool. The outline is right to a few millimetres: enough to choose slices by and to
    measure inside of, not to measure the brain itself.

    Parameters
    ----------
    volume
        T1-weighted, three-dimensional; voxels of 0.5 to 3 mm. A 256 x 256 x 256 volume takes one to two
        seconds on one core, and up to four times as long where the bone is hardly dark.

    Returns
    -------
    numpy.ndarray
        bool, the shape of `volume.data`, (I, P, L). In a volume without tissue it is false everywhere; where
        there is less tissue than a head has, it is all of it.

    Raises
    ------
    InputError
        If the volume is a series.

    References
    ----------
    S. M. Smith, Fast robust automated brain extraction, Human Brain Mapping 17 (2002), 143-155.
    """
    if volume.is_series:
        raise InputError(f"{volume.name or 'The volume'} is a series: choose one frame of it.")
    head = head_of(volume)
    if head == "stripped":
        return _without_background(volume)
    coarse, spacing = _coarse(volume)
    low, high = np.percentile(coarse, (2, 98))
    foreground = coarse > low + 0.1 * (high - low)
    litres = foreground.sum() * np.prod(spacing) / 1e6
    if litres < _SMALLEST_HEAD:
        return _without_background(volume)
    return _refined(_in_head(coarse, spacing), spacing, volume)


def _without_background(volume: Volume) -> Mask:
    scaled = volume.normalized
    border = np.concatenate(
        [scaled[[0, -1]].ravel(), scaled[:, [0, -1]].ravel(), scaled[..., [0, -1]].ravel()]
    )
    tissue: Mask = np.abs(scaled - np.median(border)) > _CONSTANT
    mask: Mask = np.zeros(tissue.shape, bool)
    boxes = ndimage.find_objects(tissue.astype(np.uint8))
    if not boxes:
        return mask
    mask[boxes[0]] = _filled(_largest(tissue[boxes[0]]))
    return mask


def _largest(mask: Mask) -> Mask:
    """Return the largest connected part."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def _filled(mask: Mask) -> Mask:
    """Return the mask without holes: what is not joined to the outside belongs to it."""
    labels, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return np.asarray(labels[1:-1, 1:-1, 1:-1] != labels[0, 0, 0])


def _coarse(volume: Volume) -> tuple[Array, Points]:
    """Return block means of the volume scale and the size of their voxels in mm."""
    factors = [max(1, int(_WORKING_MM / mm + 0.25)) for mm in volume.spacing]
    scaled = volume.normalized
    trimmed = scaled[tuple(slice(0, n - n % f) for n, f in zip(scaled.shape, factors, strict=True))]
    blocks = trimmed.reshape(
        trimmed.shape[0] // factors[0], factors[0],
        trimmed.shape[1] // factors[1], factors[1],
        trimmed.shape[2] // factors[2], factors[2],
    )  # fmt: skip
    return blocks.mean((1, 3, 5), dtype=np.float32), np.multiply(volume.spacing, factors)


def _in_head(image: Array, spacing: Points) -> Mask:
    """Return where the brain is in a whole head."""
    surface = _Surface(image, spacing)
    for threshold in _THRESHOLDS:
        mask = surface.inside(surface.grown(threshold))
        # Where the bone is hardly dark the surface has grown through it, and is to be held back earlier.
        if mask.sum() * np.prod(spacing) / 1e6 <= _LARGEST_BRAIN:
            break
    return mask


class _Surface:
    """A closed surface of triangles that grows in a head; coordinates in mm along I, P and L."""

    def __init__(self, image: Array, spacing: Points) -> None:
        self._image = image
        self._spacing = spacing
        self._set_intensities()
        self._bordered = np.pad(image, 1, constant_values=self.low)
        self._bounds = np.array(self._bordered.shape, np.int32) - 1
        self._strides = np.array(self._bordered.strides, np.int32) // self._bordered.itemsize

    def _set_intensities(self) -> None:
        image, spacing = self._image, self._spacing
        self.low, self.high = (float(value) for value in np.percentile(image, (2, 98)))
        self.threshold = self.low + 0.1 * (self.high - self.low)
        head = _largest(ndimage.binary_opening(image > self.threshold))
        # The neck would pull the centre down.
        planes = np.flatnonzero(head.mean((1, 2)) > 0.01)
        top = int(planes[0]) if planes.size else 0
        head[top + int(_HEIGHT / spacing[0]) :] = False
        inside = np.argwhere(head)
        weights = np.minimum(image[head], self.high) - self.low
        self.center = np.average(inside, axis=0, weights=weights) * spacing
        self.radius = float((len(inside) * np.prod(spacing) * 3 / (4 * np.pi)) ** (1 / 3))
        near = (((inside * spacing - self.center) ** 2).sum(1)) < self.radius**2
        values = image[tuple(inside[near].T)]
        self.median = float(np.median(values[(values > self.low) & (values < self.high)]))

    def grown(self, threshold: float) -> Points:
        """Return the surface that has met the border of the brain, first coarsely, then finely."""
        self._local = threshold
        self.vertices, self.faces = _icosphere(_SUBDIVISIONS[0])
        self.vertices = self.center + 0.5 * self.radius * self.vertices
        for subdivisions, iterations in zip(_SUBDIVISIONS, _ITERATIONS, strict=True):
            if subdivisions > _SUBDIVISIONS[0]:
                self.vertices, self.faces = _subdivided(self.vertices, self.faces)
            neighbours, counts = _neighbours(self.faces, len(self.vertices))
            for iteration in range(iterations):
                if iteration % 50 == 0:
                    spread = self.vertices[neighbours] - self.vertices[:, None]
                    length = float(np.linalg.norm(spread, axis=2).sum() / counts.sum())
                self._move(neighbours, counts, length)
        return self.vertices

    def _move(self, neighbours: npt.NDArray[np.intp], counts: Points, length: float) -> None:
        normals = self._normals()
        # Missing neighbours are the vertex itself.
        shift = (self.vertices[neighbours].sum(1) - self.vertices * (6 - counts)[:, None]) / counts[:, None]
        shift -= self.vertices
        along = np.einsum("vi,vi->v", shift, normals)
        outward = along[:, None] * normals
        tight = (1 / _SHARPEST + 1 / _BLUNTEST) / 2
        steep = 6 / (1 / _SHARPEST - 1 / _BLUNTEST)
        curvature = 2 * np.abs(along) / length**2
        smooth = 0.5 * (1 + np.tanh(steep * (curvature - tight)))
        push = 0.05 * length * self._push(normals)
        self.vertices += 0.5 * (shift - outward) + smooth[:, None] * outward + push[:, None] * normals

    def _push(self, normals: Points) -> Points:
        """Return how far the intensities inside of each vertex push it outward, about -1 to 1."""
        # Adding a half and cutting rounds; outside of the grid lies a border of background.
        starts = (self.vertices / self._spacing + 1.5).astype(np.float32)
        steps = (normals / self._spacing).astype(np.float32)
        flat = np.zeros((len(starts), len(_DEPTHS)), np.int32)
        for axis in range(3):
            places = starts[:, axis, None] - _DEPTHS * steps[:, axis, None]
            flat += self._strides[axis] * np.clip(
                places, np.float32(0), np.float32(self._bounds[axis])
            ).astype(np.int32)
        values = self._bordered.ravel()[flat]
        darkest = np.maximum(self.low, np.minimum(self.median, values.min(1)))
        brightest = np.minimum(self.median, np.maximum(self.threshold, values[:, _DEPTHS <= _SHALLOW].max(1)))
        local = (brightest - self.low) * self._local + self.low
        return np.asarray(2 * (darkest - local) / np.maximum(brightest - self.low, 1e-6))

    def _normals(self) -> Points:
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        across = np.cross(b - a, c - a)
        normals = np.stack(
            [
                sum(np.bincount(self.faces[:, i], across[:, axis], len(self.vertices)) for i in range(3))
                for axis in range(3)
            ],
            axis=1,
        )
        return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))

    def inside(self, vertices: Points) -> Mask:
        """Return the voxels of the grid that a surface encloses."""
        corners = vertices[self.faces]
        longest = max(np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max(), 1e-6)
        steps = int(np.ceil(2 * longest / self._spacing.min())) + 1
        weights = (
            np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
        )
        points = np.rint(np.einsum("wc,fcx->fwx", weights, corners) / self._spacing).astype(np.intp)
        # A brain that is cut by the border of the image is closed by it.
        points = np.clip(points.reshape(-1, 3) + 1, 0, self._bounds)
        shell = np.zeros(self._bordered.shape, bool)
        shell[tuple(points.T)] = True
        return _filled(shell)[1:-1, 1:-1, 1:-1]


def _refined(mask: Mask, spacing: Points, volume: Volume) -> Mask:
    """Return a coarse mask on the grid of the volume."""
    factors = np.rint(spacing / volume.spacing).astype(int)
    if (factors == 1).all():
        return mask
    fine = ndimage.affine_transform(
        mask.astype(np.float32), 1 / factors, (1 / factors - 1) / 2, volume.data.shape, order=1
    )
    return np.asarray(fine > 0.5)


def _icosphere(subdivisions: int) -> tuple[Points, npt.NDArray[np.intp]]:
    """Return vertices and faces of a sphere of radius 1; the faces are counterclockwise from outside."""
    # The hull of an icosahedron's corners, each triangle turned outward.
    golden = (1 + 5**0.5) / 2
    signs = np.array([(a, b) for a in (-1, 1) for b in (-golden, golden)])
    vertices = np.concatenate([np.roll(np.insert(signs, 0, 0, axis=1), shift, axis=1) for shift in range(3)])
    faces = spatial.ConvexHull(vertices).simplices.astype(np.intp)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    inward = np.einsum("fi,fi->f", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward, ::-1]
    for _ in range(subdivisions):
        vertices, faces = _subdivided(vertices, faces)
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), faces


def _subdivided(vertices: Points, faces: npt.NDArray[np.intp]) -> tuple[Points, npt.NDArray[np.intp]]:
    """Return each triangle as four."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, where = np.unique(edges, axis=0, return_inverse=True)
    middle = len(vertices) + where.reshape(3, -1)
    ab, bc, ca = middle
    a, b, c = faces.T
    finer = np.concatenate([np.stack(t, 1) for t in [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]])
    return np.concatenate([vertices, vertices[unique].mean(1)]), finer


def _neighbours(faces: npt.NDArray[np.intp], count: int) -> tuple[npt.NDArray[np.intp], Points]:
    """Return the neighbours of each vertex, (V, 6), filled up with itself, and how many there are."""
    edges = np.unique(
        np.concatenate([faces[:, [i, j]] for i in range(3) for j in range(3) if i != j]), axis=0
    )
    counts = np.bincount(edges[:, 0], minlength=count)
    places = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts)
    neighbours = np.repeat(np.arange(count)[:, None], 6, axis=1)
    neighbours[edges[:, 0], places] = edges[:, 1]
    return neighbours, counts.astype(np.float64)
