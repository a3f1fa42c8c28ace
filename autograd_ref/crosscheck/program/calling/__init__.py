"""Making a call and catching its arguments: forms of call, expressions, examples."""
