"""What a front door may ask of the farm, a module a subject."""
