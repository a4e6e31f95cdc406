"""The type ``mysql-globals``: accounts, roles, memberships and privileges of a MariaDB server."""
