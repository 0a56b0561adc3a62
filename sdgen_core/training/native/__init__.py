"""The trainer that is always there: ComfyUI's own Train LoRA node, in a ComfyUI without a page that a run starts for itself.

What the nodes of ComfyUI 0.3.75 (and 0.3.52, the oldest that SDGen knows) really do, as read in ``comfy_extras/nodes_train.py``:

- A step of the node is ``grad_accumulation_steps`` passes, each over one image drawn by lot; its loss is only in tqdm's bar.
- ``batch_size`` above 1 gives every image of a batch the mean of all their captions' predictions: it is always 1 here.
- Noise and levels of pass ``i`` come from ``seed + 1000 i``; the first weights from torch's global generator, so no two runs are equal.
- One image alone crashes it (``multi_res`` is never set): it is given twice.
- The result is scaled by 1/rank (alpha 1), ``lora_up`` begins at random and ``lora_down`` at zero, the other way round than kohya's.
- It trains biases and norms as differences too (``diff``, ``diff_b``), which ``existing_lora`` does not read again, and keeps nothing of
  the optimizer. See ``weights`` for how a run goes on all the same.
- ``existing_lora`` takes the steps from the file's name, which therefore has to hold ``<n>_steps_``.
"""
