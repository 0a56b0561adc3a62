"""Data sets for LoRA training, made of judged and scored images: which, with what captions, in a folder that trainers read."""
