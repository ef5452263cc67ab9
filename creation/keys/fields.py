"""Fields of a keyframe: what each sample shows in the photo and in the donor."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Mask, Picture
from creation.images import linear, sample
from creation.keys.donor_pictures import DonorPictures
from creation.keys.gains import SkinGains
from creation.keys.head import Head
from creation.keys.samples import Samples
from creation.keys.view import View

_FRONT = 0.12  # cosine to the camera above which the photo shows skin well
_BETWEEN_LIPS = 0.5  # of the opening, from which on the photo shows teeth and no skin


@dataclass(frozen=True, slots=True)
class Fields:
    """Values at the ``N`` samples of one keyframe; light is linear."""

    skin: Mask  # [N]
    photo_at: Picture  # [N, 2]: pixels of the plate that show this point
    seen: Mask  # [N]: the photo shows it
    comparable: Picture  # [N]: 1 where photo and donor see it from the front
    photo: Picture  # [N, 3]: light there
    donor: Picture  # [N, 3]: light of the donor in this expression
    donor_rest: Picture  # [N, 3]: and at rest
    donor_seen: Mask  # [N]
    donor_rest_seen: Mask  # [N]
    gain: Picture  # [N, 3]
    plain: Picture  # [N]
    rim: Picture  # [N]: metres from where lips meet
    lining: Picture  # [N]: 1 for skin that lines the mouth
    extra: Picture  # [N, C]: other values of vertices


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures and vertex values that all keyframes share."""

    head: Head
    gains: SkinGains
    pictures: DonorPictures
    photo: Picture  # [H, W, 3]: linear light
    donor_rest: Picture  # the same of the donor's base image

    @classmethod
    def of(cls, head: Head, gains: SkinGains, pictures: DonorPictures) -> "Source":
        return cls(
            head, gains, pictures,
            linear(head.plate.picture), linear(pictures.base_image),
        )  # fmt: skip

    def fields(
        self, samples: Samples, donor_key: Picture, donor_view: View,
        extra: np.ndarray,
    ) -> Fields:  # fmt: skip
        """
        Return the fields of ``samples``.

        ``donor_key`` is the donor's keyframe, ``donor_view`` its view; ``extra``
        ``[V, C]`` are more values of vertices.
        """
        head, gains = self.head, self.gains
        photo, rest = head.photo_view, head.donor_view
        columns = [
            photo.xy, photo.depth, head.front, rest.xy, rest.depth,
            donor_view.xy, donor_view.depth, gains.gain, gains.plain, gains.usable,
            gains.line.distance, gains.lining, gains.comparable, extra,
        ]  # fmt: skip
        table = np.concatenate([c.reshape(len(photo.xy), -1) for c in columns], 1)
        carried = samples.carried(head.triangles, table.astype(np.float32))
        at, depth, front = carried[:, 0:2], carried[:, 2], carried[:, 3]
        rest_at, rest_depth = carried[:, 4:6], carried[:, 6]
        donor_at, donor_depth = carried[:, 7:9], carried[:, 9]
        left, top, right, bottom = donor_view.box
        inside = (donor_at > [left + 1, top + 1]) & (donor_at < [right - 1, bottom - 1])
        seen = photo.shows(at, depth) & (front > _FRONT) & (carried[:, 14] > 0.5)
        seen &= sample(head.open_lips[..., None], at)[:, 0] < _BETWEEN_LIPS
        return Fields(
            skin=head.is_part(samples.triangle, "skin"),
            photo_at=at,
            seen=seen,
            comparable=carried[:, 17],
            photo=sample(self.photo, at, "bicubic").clip(0, 1),
            donor=sample(donor_key, donor_at - [left, top]),
            donor_rest=sample(self.donor_rest, rest_at),
            donor_seen=donor_view.shows(donor_at, donor_depth) & inside.all(-1),
            donor_rest_seen=rest.shows(rest_at, rest_depth),
            gain=carried[:, 10:13],
            plain=carried[:, 13],
            rim=carried[:, 15],
            lining=carried[:, 16],
            extra=carried[:, 18:],
        )
