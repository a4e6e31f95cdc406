"""What is global to a server of databases (accounts, grants, settings), as a component that is restored additively."""
