"""The commands: argparse over the engine, never Textual."""
