"""Named presets: which images a rendered set contains, as ranges from which every image samples its own values.

"studio" imitates the recordings of InterHand2.6M: its parts are None, and it samples nothing beyond what the studio
needs. "wild" imitates photographs by phones, webcams and head-mounted cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ConfigError

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
        upright: Share of views in which the fingers point up in the image, up to `roll_deg`, as people hold their hands
            when they show a sign. Half of the hands in real photographs of gestures are within 7 degrees of it.
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
    upright: float = 0.55
    any_roll: float = 0.22
    principal_px: float = 4.0
    gray: float = 0.04


@dataclass(frozen=True)
class KeyLight:
    """One kind of strong light.

    Attributes:
        name: Name of the kind.
        share: Share of time steps with it, relative to the other kinds.
        from_camera_deg: Angle between the directions to the light and to the camera; 0 is a flash, 150 is back light.
        strength: Luminance relative to that of the whole environment.
        size_deg: Spread of its lamps. The sun is small and throws hard shadows, a window is large.
        lamps: Number of lamps it consists of; each costs one shadow map.
        warmth: Mean of the relative difference between red and green; lamps and low sun are warm, screens are cold.
        exposure: Factor on the brightness of the hands. Cameras expose for the bright surroundings of back light.
        gloss: Factor on highlights; small lamps are mirrored more clearly.
    """

    name: str
    share: float
    from_camera_deg: Range
    strength: Range
    size_deg: float = 5.0
    lamps: int = 1
    warmth: float = 0.0
    exposure: float = 1.0
    gloss: float = 1.0


@dataclass(frozen=True)
class LightRanges:
    """Light of a preset, estimated from the photograph behind the hands.

    Attributes:
        keys: Kinds of strong light, one of which is sampled for each time step.
        key_follows_photo: Share of key lights that come from the side on which the photograph is brightest.
        from_above: Share of the environment's light that comes from above beyond what the photograph shows. Skies and
            ceilings are brighter than the ground, and mostly outside the photograph.
        chroma: Share of the photograph's color in its light. Its surfaces are more colorful than the lamps are.
        bounce_share: Share of time steps with a colored surface near the hands.
        bounce: Luminance of the light from this surface, relative to the environment.
        level: Irradiance of the hands for a photograph of middle gray and skin of albedo 0.25. Measured: it gives the
            brightness of hands in real photographs, 109 (10 to 90 %: 63 to 150) of 255.
        level_spread: Standard deviation of its logarithm.
        photo_pull: Exponent with which the hands' light follows the photograph's mean radiance.
        skin_pull: Exponent with which automatic exposure compensates the skin's albedo.
        skin_balance: How much the camera's automatic white balance takes skin for a tinted surface, 0 to 1; it makes
            skin less saturated. Measured: hands in real photographs have a saturation of 90 of 255.
        ambient: Share of light without direction.
        occlusion: Share of the ambient light that other parts of the hands can block, as where hands touch.
        shadow_share: Share of views with a surface right behind the hands, onto which they throw a shadow.
        shadow_gap_mm: Distance from the hands to this surface.
        shadow_depth: Share of the light that the shadow takes away.
        veil: Share of the light that the lens scatters over its surroundings. It wraps a bright background around
            the hands' outline.
        gain_spread: Standard deviation of the logarithm of the whole image's exposure.
        tint_spread: Standard deviation of each channel's gain.
    """

    keys: tuple[KeyLight, ...] = (
        KeyLight("none", 0.20, (0.0, 90.0), (0.0, 0.0)),
        KeyLight("window", 0.30, (45.0, 105.0), (0.8, 3.0), 35.0, 3),
        KeyLight("sun", 0.18, (35.0, 100.0), (1.2, 4.5), 2.0, 1, 0.03, 1.0, 1.4),
        KeyLight("lamp", 0.12, (35.0, 95.0), (0.8, 3.5), 8.0, 1, 0.10, 1.0, 1.3),
        KeyLight("screen or flash", 0.07, (0.0, 25.0), (0.6, 2.5), 8.0, 1, -0.05, 1.05, 1.3),
        KeyLight("back", 0.13, (115.0, 155.0), (1.5, 5.0), 6.0, 1, 0.02, 0.85, 1.0),
    )
    key_follows_photo: float = 0.5
    from_above: float = 0.6
    chroma: float = 0.28
    bounce_share: float = 0.15
    bounce: Range = (0.1, 0.4)
    level: float = 1.0
    level_spread: float = 0.28
    photo_pull: float = 0.35
    skin_pull: float = 0.42
    skin_balance: Range = (0.0, 0.18)
    ambient: float = 0.10
    occlusion: float = 0.75
    shadow_share: float = 0.35
    shadow_gap_mm: Range = (12.0, 120.0)
    shadow_depth: Range = (0.25, 0.6)
    veil: Range = (0.02, 0.10)
    gain_spread: float = 0.12
    tint_spread: float = 0.025


@dataclass(frozen=True)
class PoseRanges:
    """Poses of a preset.

    Attributes:
        gesturing: Share of time steps near a pose that people make: open palms, counting, pointing, prayer and so on
            (`hand/gestures.py`). The other time steps mix all hand shapes, because nobody lists every pose.
    """

    gesturing: float = 0.65


@dataclass(frozen=True)
class ObjectRanges:
    """Objects of a preset, made in code.

    Attributes:
        held: Share of time steps with an object that a hand holds or carries.
        gripped: Share of the held objects that are rods within the bent fingers, where these leave room.
        in_front: Share of time steps with an object between a camera and the hands, without touching them.
        most_hidden: Largest share of the joints that one object may hide from a camera. Above one half not even people
            can tell the pose.
        nearest_mm: Smallest distance between an object and a camera; a nearer one fills the image.
    """

    held: float = 0.28
    gripped: float = 0.6
    in_front: float = 0.12
    most_hidden: float = 0.5
    nearest_mm: float = 120.0


@dataclass(frozen=True)
class WornRanges:
    """Rings, watches and cuffs of a preset. Guesses of how many people wear them in photographs of hands.

    Attributes:
        ring: Share of hands with a ring.
        watch: Share of subjects with a watch or a bracelet, on one side.
        cuff: Share of the long sleeves that end in a cuff.
    """

    ring: float = 0.2
    watch: float = 0.35
    cuff: float = 0.7


@dataclass(frozen=True)
class Preset:
    """What a rendered set looks like. A part that is None keeps the studio's behavior and samples nothing.

    Attributes:
        name: Value of `--preset`.
        views: Cameras; None is the studio's calibrated arc.
        light: Light; None is the studio's dome of lamps.
        poses: Poses; None draws no gestures.
        objects: Objects in and before the hands; None draws none.
        worn: Rings, watches and cuffs; None draws none.
        skin_detail: Strength of pores, lines and hair. They bring skin nearer to that of sharp photographs, but a
            detector that learned from photographs finds fewer hands with them (docs/datasets/synthetic.md), and
            what they do to networks is not measured yet.
    """

    name: str
    views: ViewRanges | None = None
    light: LightRanges | None = None
    poses: PoseRanges | None = None
    objects: ObjectRanges | None = None
    worn: WornRanges | None = None
    skin_detail: float = 0.0


PRESETS = {
    p.name: p
    for p in (
        Preset("studio"),
        Preset(
            "wild",
            views=ViewRanges(),
            light=LightRanges(),
            poses=PoseRanges(),
            objects=ObjectRanges(),
            worn=WornRanges(),
            skin_detail=1.0,
        ),
    )
}

PRESET_PARTS = ("views", "light", "poses", "objects", "worn", "skin_detail")


def preset_named(name: str) -> Preset:
    """Return the preset of a name, or the studio with parts of the wild preset, as in "studio+views+light".

    Args:
        name: Name of a preset, followed by parts of the wild one, each after a "+".

    Raises:
        ConfigError: The preset or a part does not exist, or a part changes nothing.

    Example:
        >>> preset_named("studio+poses").poses.gesturing
        0.65
    """
    base, *parts = name.split("+")
    if base not in PRESETS:
        raise ConfigError("--preset is unknown", got=name, want=" or ".join(PRESETS))
    preset, wild = PRESETS[base], PRESETS["wild"]
    unknown = [part for part in parts if part not in PRESET_PARTS or getattr(preset, part) == getattr(wild, part)]
    if unknown or len(set(parts)) < len(parts):
        want = " or ".join(PRESETS) + ", or studio+ and different parts of " + ", ".join(PRESET_PARTS)
        raise ConfigError("--preset has parts that are unknown or change nothing", got=name, want=want)
    return replace(preset, name=name, **{part: getattr(wild, part) for part in parts})
