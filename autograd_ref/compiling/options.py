"""How XLA is asked to compile."""

__all__ = ["QUICK"]

# For what runs in milliseconds at most: compiles in a quarter of the time. Products of matrices come from a
# library, and take as long as with optimization.
QUICK: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": "0",
    "xla_cpu_parallel_codegen_split_count": "1",
}
