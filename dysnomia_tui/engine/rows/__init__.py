"""Rows of a generation put back into what is live: what that would meet, found out in a process of its own."""
