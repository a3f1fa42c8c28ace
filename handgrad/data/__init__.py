"""The data sets, digits and CIFAR-10, and verified downloads."""
