"""What is to be done: the stored plan of a sweep, its packs, which trials may run here, how long it may take."""
