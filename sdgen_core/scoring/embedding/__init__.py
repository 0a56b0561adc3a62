"""What a model sees in each image of a session: computed in batches, kept in one file a session and model."""
