"""3D interacting-hand pose from a single RGB image, as plugins for mmengine, mmpose and mmdet."""

__version__ = "0.1.0"
