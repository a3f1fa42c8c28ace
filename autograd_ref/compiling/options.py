"""Compiler options for XLA."""

__all__ = ["QUICK"]

# For functions that run in milliseconds at most: they compile in a quarter of the time. Matrix products come
# from a library, and are as fast as with optimization.
QUICK: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": "0",
}
