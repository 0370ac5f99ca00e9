"""One run of a sweep: the driver and its leases, what it reports, and the phases of quality and speed."""
