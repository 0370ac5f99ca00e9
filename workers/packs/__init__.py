"""Training many configs together, as if each were trained alone."""
