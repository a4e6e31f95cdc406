"""Parts of the types ``generic-webapplication``, ``apache-webapplication`` and ``nginx-webapplication``."""
