"""The Textual app: wiring, screens, widgets, the action registry and the presenters."""
