"""Versions of configurations: taken, judged, compared, brought back in drills, let go of."""
