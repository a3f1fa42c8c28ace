"""The comparison of sweeps."""
