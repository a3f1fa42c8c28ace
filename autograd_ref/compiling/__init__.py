"""Settings for compiling with XLA, and a cache of compiled programs that later commands use."""
