"""Makes Stable Diffusion 1.5 tiny for whatever Python has this folder on its PYTHONPATH, so that sd-scripts trains on a CPU in seconds.

The scripts are as they are: only the sizes of the model are other ones, set when the two modules that hold them have been imported.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder

WIDTH = 64  # of the text encoder, and so of what the U-Net is told


def _unet(module):
    module.BLOCK_OUT_CHANNELS = (32, 64, 64, 64)
    module.TIMESTEP_INPUT_DIM = 32
    module.TIME_EMBED_DIM = 128


def _models(module):
    module.UNET_PARAMS_MODEL_CHANNELS = 32
    module.UNET_PARAMS_CHANNEL_MULT = [1, 2, 2, 2]
    module.UNET_PARAMS_CONTEXT_DIM = WIDTH
    module.VAE_PARAMS_CH = 32
    module.VAE_PARAMS_CH_MULT = [1, 1, 1, 1]
    module.VAE_PARAMS_NUM_RES_BLOCKS = 1
    whole = module.CLIPTextConfig

    def small(**values):
        sizes = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "projection_dim": WIDTH}
        return whole(**{**values, **sizes, "num_hidden_layers": 2, "num_attention_heads": 4})

    module.CLIPTextConfig = small


_CHANGED = {"library.original_unet": _unet, "library.model_util": _models}


class _Loader(Loader):
    def __init__(self, whole, change):
        self._whole, self._change = whole, change

    def create_module(self, spec):
        return self._whole.create_module(spec)

    def exec_module(self, module):
        self._whole.exec_module(module)
        self._change(module)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname not in _CHANGED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, _CHANGED[fullname])
        return spec


sys.meta_path.insert(0, _Finder())
