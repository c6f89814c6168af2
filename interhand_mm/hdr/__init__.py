"""HDR: a plugin that segments two hands, restores each one alone and estimates its pose."""
