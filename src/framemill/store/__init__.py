"""What is true, in SQL: SQLite by default, PostgreSQL for a cluster.

One module a subject, plain functions on a connection. A function reads or writes inside the transaction of its caller
(`Database.reading`, `Database.writing`) and never waits for anything but the database.
"""
