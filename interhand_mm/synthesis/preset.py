"""Named presets: which images a rendered set contains, as ranges from which every image samples its own values.

"studio" imitates the recordings of InterHand2.6M: its parts are None, and it samples nothing beyond what the studio
needs. "wild" imitates photographs by phones, webcams and head-mounted cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class ViewRanges:
    """Cameras of a preset. Each view of a time step gets a camera of its own.

    Attributes:
        distance_mm: Distance from the camera to the hands. An outstretched phone or a head-mounted camera is 250 mm
            away, a camera across a desk 1500 mm.
        fov_deg: Field of view of the image's longer side. 25 is a telephoto lens, 65 a phone or a webcam, 90 a
            head-mounted camera.
    """

    distance_mm: Range = (250.0, 1500.0)
    fov_deg: Range = (25.0, 90.0)


@dataclass(frozen=True)
class LightRanges:
    """Light of a preset."""


@dataclass(frozen=True)
class Preset:
    """What a rendered set looks like. A part that is None keeps the studio's behavior and samples nothing.

    Attributes:
        name: Value of `--preset`.
        views: Cameras; None is the studio's calibrated arc.
        light: Light; None is the studio's dome of lamps.
    """

    name: str
    views: ViewRanges | None = None
    light: LightRanges | None = None


PRESETS = {p.name: p for p in (Preset("studio"), Preset("wild", views=ViewRanges(), light=LightRanges()))}
