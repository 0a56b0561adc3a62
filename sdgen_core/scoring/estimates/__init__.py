"""From similarities to probabilities, with people's verdicts where there are some."""
