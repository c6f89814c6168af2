"""The synthetic hand: sizes, skeleton, surface, skin and poses."""
