"""The torch modules, one file per family. Each maps (N, 1, H, W) luma in [0, 1] to (N, 1, sH, sW)."""
