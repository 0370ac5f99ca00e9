"""One file per family: its config's fields and arithmetic. The torch modules are in ``search_space.architectures``."""
