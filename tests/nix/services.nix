# Containers of the services that a configuration enables; what it says of them itself is stronger.
{
  services = {
    postgresql = { enable = true; settings.port = 5433; };
    mysql.enable = true;
    svnserve = { enable = true; svnBaseDir = "/srv/svn"; };
    redis.servers = {
      "" = { enable = true; unixSocket = "/run/redis/redis.sock"; };
      cache = { enable = true; port = 6380; };
      off = { enable = false; };
    };
    dysnomia-tui = {
      enable = true;
      containers.postgresql-database.postgresqlUsername = "operator";
      environment.DYSNOMIA_MODULES_PATH = "/srv/modules";
      collect = "04:00";
      snapshot = "02:00";
      onFailure = [ "tell@%n.service" ];
    };
  };
}
