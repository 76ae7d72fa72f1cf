"""Whether interpolated subjects help the group that a probe serves worst."""
