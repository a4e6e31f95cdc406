"""The main screen's panes, and what moves between them."""
