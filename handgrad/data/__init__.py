"""The data sets: the digits, CIFAR-10, and verified downloads."""
