"""The hostile zoo: functions that are hard to judge, with right gradients and wrong ones."""
