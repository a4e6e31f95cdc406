"""Plans, jobs, the journal, the worker process and the audit."""
