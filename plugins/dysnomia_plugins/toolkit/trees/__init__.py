"""Trees of files, of whatever type: walked, archived, read from an archive, laid down again and exchanged."""
