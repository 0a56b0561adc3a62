"""What is unsure is looked at again: crops, a vision-language model, the user's own classifier."""
