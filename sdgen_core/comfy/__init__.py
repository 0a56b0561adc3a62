"""All contact with ComfyUI: its host modules, its HTTP interface, its workflow formats, and a ComfyUI of our own."""
