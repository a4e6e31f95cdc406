"""Parts of the types ``tomcat-webapplication`` and ``axis2-webservice``."""
