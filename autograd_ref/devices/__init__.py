"""The check in shards, in processes, on a GPU."""
