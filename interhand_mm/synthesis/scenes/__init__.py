"""Many hands pasted into photographs, for detectors."""
