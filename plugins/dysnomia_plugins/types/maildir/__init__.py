"""The type ``maildir``: the mail of one account, in Maildir folders as Dovecot, Postfix and Courier keep them."""
