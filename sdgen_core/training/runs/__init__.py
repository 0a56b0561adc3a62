"""Training runs: processes that outlive the program which started them, followed by their logs and judged by what they made."""
