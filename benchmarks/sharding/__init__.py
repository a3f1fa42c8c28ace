"""What sharding costs."""
