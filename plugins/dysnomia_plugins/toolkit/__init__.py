"""What several types share: child processes, servers, files by descriptor, findings."""
