"""Questions to servers, asked in a child process with a limit of time."""
