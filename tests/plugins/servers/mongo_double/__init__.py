"""A double of MongoDB: it speaks the wire protocol and keeps documents in memory. It is not MongoDB.

What it does is written after MongoDB's manual (wire protocol, database commands, BSON comparison order, capped
collections, views, SCRAM-SHA-256 of RFC 7677), and was never compared with a mongod, since none could be had here:

- OP_MSG, and OP_QUERY for the first ``isMaster``; hello, ping, buildInfo, dbStats, listDatabases, dropDatabase
- create (capped with size and max, validator, collation, view), drop, listCollections, renameCollection: at once within
  a database, refused where the name is taken (48) unless ``dropTarget``, where there is nothing (26), for views (166)
  and where the new name is longer than 255 bytes (73); across databases a copy
- createIndexes, dropIndexes, listIndexes; unique indexes are held (11000)
- insert (``_id`` goes first, an empty timestamp at the top becomes the time, the collection is made), update with a
  whole document, ``$set``, ``$unset``, ``$inc``; delete; find with equality, comparison, ``$exists``, ``$type``, sort
  by fields or ``$natural``, batches and getMore; killCursors; count; aggregate, which counts and does nothing else
- a collection's collation of strength 1 or 2: ``_id`` and sort take no notice of case
- ``readConcern: snapshot`` where it was told that it is of a replica set, with ``atClusterTime``
- accounts by SCRAM-SHA-256: with every right, or with ``readWrite`` and ``dbAdmin`` on some databases
- that a collection is clustered, or a time series: what it says of them, and nothing of what they are

What it does not: transactions, oplog, change streams, TTL (nothing expires), text and geo searches, other
roles, sharding, TLS, compression, JSON schemas (a validator is a filter), files: what it holds is gone with it.
SIGUSR1 closes its port and all connections, SIGUSR2 opens it again.
"""
