"""The user's own classifier: one head a placeholder, trained in seconds from verdicts on what a model saw in images."""
