"""The snapshot store on disk: layout, write, read, check, GC plan and apply. Knows no plugin."""
