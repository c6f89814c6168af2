"""Joints, cameras and the data contract: what every other module shares."""
