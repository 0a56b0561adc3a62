"""From folders to the index: what session folders, their manifests and their images say."""
