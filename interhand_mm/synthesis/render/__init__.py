"""From posed meshes to pixels: cameras, light, shading, background and the camera sensor."""
