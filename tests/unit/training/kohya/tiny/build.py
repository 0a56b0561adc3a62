"""Writes a tiny Stable Diffusion 1.5 with random weights: ``python build.py FILE``, in the folder of sd-scripts and with its Python."""

import sys

import torch
from diffusers import AutoencoderKL
from library import model_util
from library.original_unet import UNet2DConditionModel
from transformers import CLIPTextModel

torch.manual_seed(7)
unet = UNet2DConditionModel(**model_util.create_unet_diffusers_config(False))
vae = AutoencoderKL(**model_util.create_vae_diffusers_config())
text = CLIPTextModel(model_util.CLIPTextConfig(vocab_size=49408, max_position_embeddings=77, pad_token_id=1))
model_util.save_stable_diffusion_checkpoint(False, sys.argv[1], text, unet, None, 0, 0, None, torch.float16, vae)
