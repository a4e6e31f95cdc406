"""The registry of actions: their keys, when they can be done, how they are confirmed."""
