"""Speed measured by a sweep: on this machine or a Ray node, what a model of the costs says, what to measure next."""
