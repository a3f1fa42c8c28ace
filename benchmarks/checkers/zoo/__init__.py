"""The hostile zoo: functions on which a checker of gradients goes wrong, right ways to write them and wrong ones."""
