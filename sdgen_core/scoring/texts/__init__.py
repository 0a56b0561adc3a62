"""The sentences that each placeholder value is asked with, by kind of placeholder; what cannot be seen is left out."""
