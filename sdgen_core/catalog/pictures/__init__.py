"""What is made from pixels: thumbnails, perceptual hashes, near-duplicates."""
