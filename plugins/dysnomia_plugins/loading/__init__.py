"""Which types there are, and how they are loaded: plugins and executable modules."""
