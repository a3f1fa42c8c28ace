"""How a call is made, and its arguments caught: forms of call, expressions, examples."""
