"""SDGen's HTTP routes, served inside ComfyUI. Only ids and names come in, never paths."""
