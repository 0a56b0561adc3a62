"""A vision-language model over an OpenAI-compatible URL: yes or no by token probability."""
