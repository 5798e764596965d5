"""Chaos: faults drawn by a seed against everything running, and the time until it has healed by itself."""
