"""The part of the page that runs networks on pictures: ``networks`` gathers them, the scripts run and show them."""
