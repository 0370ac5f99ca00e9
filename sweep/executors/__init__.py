"""Where packs run: one interface (``core``) and three ways (this process, Ray actors, Ray Tune)."""
