"""How one config is trained alone in plain PyTorch: the reference that every faster way is held to."""
