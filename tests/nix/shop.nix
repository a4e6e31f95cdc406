# A machine with a bit of everything, and values that quoting has to stand.
{
  services.dysnomia-tui = {
    enable = true;
    properties = {
      hostname = "db1";
      mem = "$(grep 'MemTotal:' /proc/meminfo | sed -e 's/kB//')";
      supportedTypes = [ "postgresql-database" "fileset" ];
    };
    containers = {
      postgresql-database = { postgresqlUsername = "postgres"; postgresqlPort = 5432; };
      shop = {
        type = "sqlite-database";
        sqliteDir = "/srv/shop";
        odd = "a \"quoted\" $word, a `tick`, a \\ and 'more'";
        lines = "one\ntwo's";
        flags = [ "a b" "\"c\"" "$d" ];
        on = true;
      };
    };
    components.shop.orders = "/srv/components/orders";
    components.postgresql-database = {
      crm = "/nix/store/11111111111111111111111111111111-crm";
      wiki = "/nix/store/22222222222222222222222222222222-wiki";
    };
    extraContainerPaths = [ "/etc/more/containers" ];
    settings = {
      grace = "7d";
      labels = [ "PROD" ];
      compression = "xz";
      components."*/*".retention = { last = 5; daily = 7; };
    };
    snapshot = "02:00";
    verify = "Sat 03:00";
    status = "hourly";
  };
}
