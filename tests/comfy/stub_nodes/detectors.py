"""A detector of users' packs, for tests: the node names, inputs and outputs of Impact Pack and Impact Subpack, and in place of their neural
networks a look at colours. It finds every connected thing that is not white, 0.9 sure of the largest and less of smaller ones."""

NAMES = ["bbox/face_yolov8n.pt", "segm/person_yolov8n-seg.pt"]


class Finder:
    """What a detector model is here. ``shapes``: it gives the things' shapes, else their boxes."""

    def __init__(self, shapes):
        self.shapes = shapes

    def find(self, image, threshold):
        import numpy as np
        import torch
        from scipy import ndimage

        numbered, count = ndimage.label(image[0].cpu().numpy().min(-1) < 0.6)
        sizes = sorted(((int((numbered == n).sum()), n) for n in range(1, count + 1)), reverse=True)
        out = []
        for place, (size, n) in enumerate(sizes):
            if size < 12 or 0.9 - 0.1 * place < threshold:
                continue
            mask = numbered == n
            if not self.shapes:
                rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
                mask = np.zeros_like(mask)
                mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
            out.append(torch.from_numpy(mask.astype(np.float32)))
        return image.shape[1:3], out


class UltralyticsDetectorProvider:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model_name": (NAMES,)}}

    RETURN_TYPES = ("BBOX_DETECTOR", "SEGM_DETECTOR")
    FUNCTION = "load"
    CATEGORY = "stub"

    def load(self, model_name):
        return Finder(False), Finder(model_name.startswith("segm/"))


_SEARCH = {
    "image": ("IMAGE",),
    "threshold": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}),
    "dilation": ("INT", {"default": 10, "min": -512, "max": 512, "step": 1}),
    "crop_factor": ("FLOAT", {"default": 3.0, "min": 1.0, "max": 100, "step": 0.1}),
    "drop_size": ("INT", {"min": 1, "max": 16384, "step": 1, "default": 10}),
    "labels": ("STRING", {"multiline": True, "default": "all"}),
}


class BboxDetectorSEGS:
    KIND = "bbox"

    @classmethod
    def INPUT_TYPES(cls):
        kind = {f"{cls.KIND}_detector": (f"{cls.KIND.upper()}_DETECTOR",)}
        return {"required": {**kind, **_SEARCH}, "optional": {"detailer_hook": ("DETAILER_HOOK",)}}

    RETURN_TYPES = ("SEGS",)
    FUNCTION = "find"
    CATEGORY = "stub"

    def find(self, image, threshold, **rest):
        return (rest[f"{self.KIND}_detector"].find(image, threshold),)


class SegmDetectorSEGS(BboxDetectorSEGS):
    KIND = "segm"


class ImpactSEGSToMaskList:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"segs": ("SEGS",)}}

    RETURN_TYPES = ("MASK",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "masks"
    CATEGORY = "stub"

    def masks(self, segs):
        import torch

        size, found = segs
        return ([mask[None] for mask in found] or [torch.zeros(1, *size)],)


NODES = {
    node.__name__: node
    for node in (UltralyticsDetectorProvider, BboxDetectorSEGS, SegmDetectorSEGS, ImpactSEGSToMaskList)
}


def definitions():
    """As ``/object_info`` would give them."""
    return {
        name: {
            "input": node.INPUT_TYPES(),
            "output": list(node.RETURN_TYPES),
            "output_name": list(node.RETURN_TYPES),
            "python_module": "custom_nodes.stub_nodes",
        }
        for name, node in NODES.items()
    }
