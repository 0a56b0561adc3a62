"""The embedded demo: a tiny checkpoint that stock ComfyUI loads, its training code and its judge of pictures."""
