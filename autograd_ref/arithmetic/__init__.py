"""The model of rounding, the jaxpr interpreter and finite differences."""
