"""Models that see: any open_clip model from local files, behind one small interface."""
