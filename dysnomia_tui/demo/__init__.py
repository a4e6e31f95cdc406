"""The demo: a real store of real databases and folders, with sixty days of history, made by really changing them."""
