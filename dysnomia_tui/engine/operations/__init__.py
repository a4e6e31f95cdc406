"""What can be done, a file for each verb: how it is planned, and how its job runs."""
