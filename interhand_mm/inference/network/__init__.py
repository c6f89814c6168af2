"""The pose network behind one interface, whatever runs it."""
