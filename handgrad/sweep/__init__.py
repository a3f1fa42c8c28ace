"""Many runs: the grid, who trains, what is recorded."""
