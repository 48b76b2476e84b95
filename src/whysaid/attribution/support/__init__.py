"""How likely it is that an object which a caption names is there."""
