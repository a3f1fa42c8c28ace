"""The comparison of gradient checkers, and the tests of the bounds."""
