"""What slices are made of: functions of an example, and the statistics of gains by slice."""
