"""Named presets: which images a rendered set contains, as ranges from which every image samples its own values.

"studio" imitates the recordings of InterHand2.6M: its parts are None, and it samples nothing beyond what the studio
needs. "wild" imitates photographs by phones, webcams and head-mounted cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Viewpoint:
    """Where a group of cameras stands, seen from the hands.

    Attributes:
        name: Name of the group.
        share: Share of the preset's views, relative to the other groups.
        azimuth_deg: 0 is in front of the person, 180 behind the person.
        elevation_deg: 0 is level with the hands, 90 straight above them.
        distance_mm: Distance to the middle of the hands.
    """

    name: str
    share: float
    azimuth_deg: Range
    elevation_deg: Range
    distance_mm: Range


@dataclass(frozen=True)
class ViewRanges:
    """Cameras of a preset. Each view of a time step gets a camera of its own.

    Attributes:
        viewpoints: Groups of cameras. The first one is the easiest: it shows which hand is the right one at once, so
            `--rotation curriculum` starts with it alone. Real photographs of gestures are mostly of this kind.
        fov_deg: Field of view of the image's longer side. 25 is a telephoto lens, 65 a phone or a webcam, 90 a
            head-mounted camera.
        hands_share: Extent of the hands relative to the image's shorter side; with the distance it decides the field
            of view. Above 0.95 they are cut off, below 0.28 (94 px of 334) fingers are too thin to annotate.
        off_axis: Largest offset of the hands from the middle of the image, relative to the room that is left.
        roll_deg: Standard deviation of the rotation in the image, as of a camera held by hand.
        any_roll: Share of views with a uniform rotation in the image. Half of them show fingers that point down.
        principal_px: Standard deviation of the principal point, in an image whose longer side is 512 px.
        gray: Share of gray images. Infrared cameras of headsets take them.
    """

    viewpoints: tuple[Viewpoint, ...] = (
        Viewpoint("front", 0.44, (-65.0, 65.0), (-25.0, 35.0), (300.0, 1500.0)),
        Viewpoint("egocentric", 0.20, (140.0, 220.0), (30.0, 75.0), (250.0, 600.0)),
        Viewpoint("above", 0.10, (-180.0, 180.0), (50.0, 85.0), (250.0, 1200.0)),
        Viewpoint("below", 0.08, (-90.0, 90.0), (-70.0, -25.0), (250.0, 900.0)),
        Viewpoint("behind", 0.08, (110.0, 250.0), (-10.0, 35.0), (300.0, 1500.0)),
        Viewpoint("any", 0.10, (-180.0, 180.0), (-65.0, 80.0), (250.0, 1500.0)),
    )
    fov_deg: Range = (25.0, 90.0)
    hands_share: Range = (0.28, 0.95)
    off_axis: float = 0.85
    roll_deg: float = 10.0
    any_roll: float = 0.22
    principal_px: float = 4.0
    gray: float = 0.04


@dataclass(frozen=True)
class LightRanges:
    """Light of a preset."""


@dataclass(frozen=True)
class PoseRanges:
    """Poses of a preset.

    Attributes:
        gesturing: Share of time steps near a pose that people make: open palms, counting, pointing, prayer and so on
            (`hand/gestures.py`). The other time steps mix all hand shapes, because nobody lists every pose.
    """

    gesturing: float = 0.65


@dataclass(frozen=True)
class Preset:
    """What a rendered set looks like. A part that is None keeps the studio's behavior and samples nothing.

    Attributes:
        name: Value of `--preset`.
        views: Cameras; None is the studio's calibrated arc.
        light: Light; None is the studio's dome of lamps.
        poses: Poses; None draws no gestures.
    """

    name: str
    views: ViewRanges | None = None
    light: LightRanges | None = None
    poses: PoseRanges | None = None


PRESETS = {
    p.name: p for p in (Preset("studio"), Preset("wild", views=ViewRanges(), light=LightRanges(), poses=PoseRanges()))
}
