"""Rendered training data: parametric hands, poses, cameras, a renderer and files in InterHand2.6M's format."""
