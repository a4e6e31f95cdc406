"""The face (app, cli) and the engine of Dysnomia TUI."""
