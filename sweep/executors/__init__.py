"""Where packs run: one interface (``core``) and three implementations (this process, Ray actors, Ray Tune)."""
