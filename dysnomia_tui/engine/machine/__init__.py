"""What the engine reads of this machine: settings, store, types, inventory, health."""
