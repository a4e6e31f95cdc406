"""The type ``postgresql-globals``: roles, memberships, tablespaces, settings and grants of a PostgreSQL server."""
