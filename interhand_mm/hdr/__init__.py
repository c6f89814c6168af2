"""HDR: segment, de-occlude and remove interacting hands. A plugin; nothing outside imports it."""
