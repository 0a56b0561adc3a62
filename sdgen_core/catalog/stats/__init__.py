"""Statistics of judgements: tables for the panel, the commands and the improvement loop."""
