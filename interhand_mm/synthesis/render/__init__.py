"""From posed meshes to pixels: cameras, light, shading and the sensor."""
