"""The recorded call: everything it can reach, before and after it."""
