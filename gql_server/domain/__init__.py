"""What the words mean: pure rules on the standard library; no I/O, no clock, no random."""
