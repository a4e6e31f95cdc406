"""The pool: frames that snapshots share by hard links, counted by the file system alone."""
