"""The improvement loop: a frozen benchmark, a decision with intervals, and the cycle around them."""
