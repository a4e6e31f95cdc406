"""The settings of every session of ours, of the clients' and of the dump program's, whatever the server says.

What a server sets globally (``sql_select_limit``, ``completion_type``, ``autocommit``…) is the default of each new
session, and shortens a dump or spoils a load without an error. So each session begins by setting what matters.
mariadb-dump has no option for that. Its library (Connector/C 3.3) has: a host that holds a semicolon is a connection
string, and one of its keys is ``init-command``.
"""

from __future__ import annotations

LENIENT = "ALLOW_INVALID_DATES"
"""What live took as a date (2023-02-31) would be 0000-00-00 without it, with a warning that nobody reads."""
_FIRST = f"SET NAMES utf8mb4, SESSION sql_mode = '{LENIENT}'"
"""By itself: a strict mode would refuse the rest where one value is out of range on this server."""
_EVERYWHERE = (
    "sql_select_limit = 18446744073709551615, max_join_size = 18446744073709551615, sql_big_selects = 1,"
    " sql_safe_updates = 0, sql_auto_is_null = 0, sql_quote_show_create = 1, autocommit = 1, completion_type = 0,"
    " foreign_key_checks = 1, unique_checks = 1, innodb_lock_wait_timeout = 50, net_read_timeout = 3600,"
    " net_write_timeout = 3600, wait_timeout = 28800, group_concat_max_len = 1048576, max_sort_length = 1024,"
    " sort_buffer_size = 2097152,"
    " time_zone = '+00:00'"
    " /*M!100100 , max_statement_time = 0, innodb_compression_default = 0,"
    " innodb_default_encryption_key_id = 1,"
    " max_session_mem_used = 9223372036854775807 */"
    " /*M!100207 , tmp_disk_table_size = 18446744073709551615 */"
    " /*M!100300 , idle_transaction_timeout = 0, idle_write_transaction_timeout = 0,"
    " idle_readonly_transaction_timeout = 0 */"
    " /*M!100307 , alter_algorithm = 'DEFAULT' */ /*M!100502 , sql_if_exists = 0 */"
    " /*M!100601 , old_mode = 'UTF8_IS_UTF8MB3' */"
    " /*M!110200 , character_set_collations = '' */"
)
TRANSACTIONS = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE"
OURS = (
    _FIRST,
    f"SET SESSION lock_wait_timeout = 10, {_EVERYWHERE}",
    TRANSACTIONS,
)
"""For our own questions and changes."""
DUMPING = (
    _FIRST,
    f"SET SESSION lock_wait_timeout = 86400, {_EVERYWHERE}",
    TRANSACTIONS,
)
"""For the dump program, which sets its own ``sql_mode`` and time zone afterwards."""
ENFORCED = "@@SESSION.enforce_storage_engine"
"""The engine that every new table gets, whatever it asks for; only with SUPER a session can be freed of it."""
LOADING = (
    *DUMPING,
    f"/*M!100203 EXECUTE IMMEDIATE IF({ENFORCED} IS NULL, 'DO 0', 'SET SESSION enforce_storage_engine = NULL') */",
    # What live took, a load takes: rows that a CHECK would refuse today, row formats that InnoDB warns of, a
    # TIMESTAMP without a default.
    "SET SESSION innodb_strict_mode = 0 /*M!100201 , check_constraint_checks = 0 */"
    " /*M!101100 , explicit_defaults_for_timestamp = 1 */",
)
"""For a load, before the dump's own settings."""
AFTER_MODE = f"SET SESSION sql_mode = CONCAT(@@sql_mode, ',{LENIENT}')"
"""For a load, after the dump has set its own ``sql_mode``."""
WRITING = f"SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,{LENIENT}', foreign_key_checks = 0"
"""For rows that are written one by one: an identifier of zero is one."""

INITIAL = (
    "SET SESSION sql_select_limit = 18446744073709551615, max_join_size = 18446744073709551615, sql_big_selects = 1,"
    " sql_safe_updates = 0, autocommit = 1, completion_type = 0, innodb_lock_wait_timeout = 50,"
    " lock_wait_timeout = 86400, net_read_timeout = 3600, net_write_timeout = 3600, wait_timeout = 28800"
    " /*M!100101 , max_statement_time = 0, max_session_mem_used = 9223372036854775807 */",
    TRANSACTIONS,
)
"""For an operator's own SQL: what would cut or refuse it. What shapes its meaning (sql_mode, time zone) is theirs."""


def script(statements: tuple[str, ...]) -> str:
    """The statements as the client takes them."""
    return "".join(f"{one};\n" for one in statements)


def connection_string(values: dict[str, str], statements: tuple[str, ...]) -> str:
    """What Connector/C takes in place of a host. It holds no password: the dump program writes it into its header."""
    pairs = [(name, value) for name, value in values.items() if value]
    pairs += [("init-command", one) for one in statements]
    return ";".join(f"{name}={{{value.replace('}', '}}')}}}" for name, value in pairs)
