"""Who decides: planners, critics with a vision model, and the refiner."""
