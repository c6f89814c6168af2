"""The pose network behind one interface, independent of the runtime."""
