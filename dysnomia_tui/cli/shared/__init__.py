"""What the commands share: parser, output, jobs, selection."""
