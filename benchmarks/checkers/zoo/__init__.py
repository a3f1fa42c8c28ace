"""The zoo: functions that are hard to judge, with right and wrong gradients."""
