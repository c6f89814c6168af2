"""The synthetic hand: sizes, skeleton, surface, mesh, skin, poses and collisions."""
