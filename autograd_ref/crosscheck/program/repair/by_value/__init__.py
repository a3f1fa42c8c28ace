"""Edits that are found by value: what a statement must give, among the expressions at hand."""
