"""SDGen's engine: templates, sessions and their run through ComfyUI.

Importing this package is cheap on purpose: heavy libraries load where they are used.
"""

__version__ = "0.1.0"
