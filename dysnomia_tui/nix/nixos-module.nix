# Dysnomia TUI on NixOS. What it writes below /etc/dysnomia is what Dysnomia's own module writes, in the same places, so
# that bash Dysnomia and Disnix read it as well; with that module enabled, leave properties, containers and components
# here empty; containers are derived from the services of the configuration only where it is not enabled.
{ config, lib, pkgs, ... }:

let
  inherit (lib) types mkOption;

  cfg = config.services.dysnomia-tui;

  # Property files. One line a property, in bash's syntax, which Dysnomia evaluates and this program reads. A string
  # that holds $(…) is a substitution, as in Dysnomia's module; in any other nothing is special.
  # No backslash where it can be helped: Dysnomia's way of reading a line takes them away.
  quoted = value:
    if lib.hasInfix "\n" value then
      "$'" + builtins.replaceStrings [ "\\" "'" "\n" ] [ "\\\\" "\\'" "\\n" ] value + "'"
    else if lib.hasInfix "$(" value || builtins.match "[^\"\\$`]*" value != null then
      "\"${value}\""
    else
      "'" + builtins.replaceStrings [ "'" ] [ "'\"'\"'" ] value + "'";

  scalar = value:
    if builtins.isBool value then quoted (if value then "true" else "false") else quoted (toString value);

  property = name: value:
    if builtins.match "[A-Za-z_][A-Za-z0-9_]*" name == null then
      throw "services.dysnomia-tui: the property ${name} cannot be a variable; rename it"
    else if builtins.isList value then
      "${name}=(${lib.concatStringsSep " " (map scalar value)})\n"
    else
      "${name}=${scalar value}\n";

  propertyFile = properties: lib.concatStrings (lib.mapAttrsToList property properties);

  containerFile = name: properties:
    propertyFile (builtins.removeAttrs properties [ "type" ]) + property "type" (properties.type or name);

  # config.toml. JSON's strings are TOML's; a table stands after the plain values of the one that holds it.
  toml = path: value:
    let
      tables = lib.filterAttrs (_: builtins.isAttrs) value;
      plain = lib.filterAttrs (_: one: !(builtins.isAttrs one)) value;
      key = lib.concatMapStringsSep "." builtins.toJSON;
      lines = lib.mapAttrsToList (name: one: "${builtins.toJSON name} = ${builtins.toJSON one}\n") plain;
    in
    lib.optionalString (path != [ ] && plain != { }) "[${key path}]\n"
    + lib.concatStrings lines
    + lib.concatStrings (lib.mapAttrsToList (name: one: toml (path ++ [ name ]) one) tables);

  named = prefix: file: lib.mapAttrs' (name: value: lib.nameValuePair "${prefix}/${name}" (file name value));

  componentsOf = container: named "dysnomia/components/${container}" (_: source: { inherit source; });

  propertyType = types.anything;

  # A service that a timer starts. What was due while the machine was off is made up for when it is up again, once the
  # servers are; a failure, also of a part, starts the units that are to tell of it.
  job = { description, command, fine ? [ ] }: {
    inherit description;
    inherit (cfg) environment path onFailure;
    after = servers;
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${cfg.package}/bin/${command} --scheduled";
      UMask = "0077";
    } // lib.optionalAttrs (fine != [ ]) { SuccessExitStatus = fine; };
  };

  timer = calendar: {
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnCalendar = calendar;
      Persistent = true;
    };
  };

  # What is done on time: by the name of its option, which says when.
  tasks = {
    snapshot = {
      example = "02:00";
      when = "When every component is snapshotted (a systemd calendar expression).";
      job = { description = "Snapshot every component"; command = "dysnomia-containers --snapshot"; };
    };
    collect = {
      example = "04:00";
      when = "When old generations are collected, by the retention in the settings.";
      job = { description = "Collect old snapshots"; command = "dysnomia-snapshots --gc --policy"; };
    };
    check = {
      example = "Sun 05:00";
      when = "When every newest generation is read and its checksums are compared.";
      job = { description = "Check the newest snapshots"; command = "dysnomia-snapshots --query-latest --check"; };
    };
    verify = {
      example = "Sat 03:00";
      when = "When generations are proved in turn, by restoring them into a scratch place.";
      job = { description = "Prove snapshots by restoring them"; command = "dysnomia-tui verify --due"; };
    };
    status = {
      example = "hourly";
      when = "When somebody is told of what is stale or failed, and metrics are written where the settings have a file for them.";
      job = { description = "Fail where a component needs someone"; command = "dysnomia-tui status"; fine = [ 1 ]; };
    };
  };

  planned = lib.filterAttrs (name: _: cfg.${name} != null) tasks;

  unit = name: lib.nameValuePair "dysnomia-tui-${name}";

  # What runs here by this configuration, as Dysnomia's own module tells it.
  services = config.services;
  runs = {
    postgresql = services.postgresql.enable or false;
    mysql = services.mysql.enable or false;
    svnserve = services.svnserve.enable or false;
    redis = lib.filterAttrs (_: server: server.enable or false) (services.redis.servers or { });
  };

  servers = lib.optional runs.postgresql "postgresql.service"
    ++ lib.optional runs.mysql "mysql.service"
    ++ lib.mapAttrsToList (name: _: if name == "" then "redis.service" else "redis-${name}.service") runs.redis;

  redisContainer = name: server: lib.nameValuePair (if name == "" then "redis-database" else "redis-${name}") (
    { type = "redis-database"; }
    // (if (server.unixSocket or null) != null then { redisSocket = server.unixSocket; }
    else { redisHost = "localhost"; redisPort = server.port or 6379; })
  );

  derivedContainers = { wrapper = { }; }
    // lib.optionalAttrs runs.postgresql {
    postgresql-database = {
      postgresqlUsername = "postgres";
      postgresqlPort = services.postgresql.settings.port or 5432;
      postgresqlRuntimeDir = "/run/postgresql";
    };
  } // lib.optionalAttrs runs.mysql {
    mysql-database = {
      mysqlPort = services.mysql.settings.mysqld.port or 3306;
      mysqlSocket = "/run/mysqld/mysqld.sock";
    };
  } // lib.optionalAttrs runs.svnserve {
    subversion-repository = { svnBaseDir = services.svnserve.svnBaseDir; };
  } // lib.mapAttrs' redisContainer runs.redis;

  weak = lib.mapAttrs (_: lib.mkDefault);
in
{
  options.services.dysnomia-tui = {
    enable = lib.mkEnableOption "Dysnomia TUI: snapshots of state, and its restore";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      description = "The program.";
    };

    statedir = mkOption {
      type = types.str;
      default = "/var/state/dysnomia-nixos";
      description = "The snapshot store: that of Dysnomia's own module for NixOS.";
    };

    properties = mkOption {
      type = types.attrsOf propertyType;
      default = { };
      example = { hostname = "db1"; mem = "$(grep MemTotal /proc/meminfo)"; };
      description = "Facts of the machine, for Disnix.";
    };

    containers = mkOption {
      type = types.attrsOf (types.attrsOf propertyType);
      default = { };
      example = { postgresql-database = { postgresqlUsername = "postgres"; }; };
      description = "Containers by name, each with its properties; its type is its name, unless a property says so.";
    };

    components = mkOption {
      type = types.attrsOf (types.attrsOf types.path);
      default = { };
      description = "Components by container and name: a folder or derivation with the initial state of each.";
    };

    extraContainerPaths = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Folders with containers that are searched first.";
    };

    extraModulePaths = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Folders with modules that are searched first.";
    };

    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = { grace = "7d"; components."*/*".retention.last = 5; };
      description = "What /etc/dysnomia-tui/config.toml says.";
    };

    containersFromServices = mkOption {
      type = types.bool;
      default = !(config ? dysnomia && config.dysnomia.enable);
      description = ''
        Whether there is a container for each database server, repository server and so on that this configuration
        enables. Not where Dysnomia's own module is enabled: it writes them.
      '';
    };

    path = mkOption {
      type = types.listOf types.anything;
      default = [ "/run/wrappers" "/run/current-system/sw" ];
      description = "Packages and folders whose programs the timers' services find besides a unit's own.";
    };

    onFailure = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "tell-the-operator@%n.service" ];
      description = "Units that are started where what a timer does failed, also in part.";
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      description = "The variables that lead Dysnomia's commands, and ours, to all this.";
    };
  } // lib.mapAttrs (_: task: mkOption {
    type = types.nullOr types.str;
    default = null;
    inherit (task) example;
    description = task.when;
  }) tasks;

  config = lib.mkIf cfg.enable {
    # Before bash Dysnomia's commands of the same names; a variable that another module sets is its.
    environment.systemPackages = [ (lib.hiPrio cfg.package) ];
    environment.variables = weak cfg.environment;

    services.dysnomia-tui.containers = lib.mkIf cfg.containersFromServices (lib.mapAttrs (_: weak) derivedContainers);

    services.dysnomia-tui.environment = weak {
      DYSNOMIA_STATEDIR = cfg.statedir;
      DYSNOMIA_CONTAINERS_PATH = lib.concatStringsSep ":" (cfg.extraContainerPaths ++ [ "/etc/dysnomia/containers" ]);
      DYSNOMIA_MODULES_PATH = lib.concatStringsSep ":" (cfg.extraModulePaths ++ [ "/etc/dysnomia/modules" ]);
    };

    # Who comes by sudo has none of the variables: the settings say the same.
    services.dysnomia-tui.settings = {
      statedir = lib.mkDefault cfg.statedir;
      containers_path = lib.mkDefault (cfg.extraContainerPaths ++ [ "/etc/dysnomia/containers" ]);
      modules_path = lib.mkDefault (cfg.extraModulePaths ++ [ "/etc/dysnomia/modules" ]);
    };

    environment.etc = lib.mkMerge ([
      { "dysnomia-tui/config.toml".text = toml [ ] cfg.settings; }
      (lib.mkIf (cfg.properties != { }) { "dysnomia/properties".text = propertyFile cfg.properties; })
      (named "dysnomia/containers" (name: properties: { text = containerFile name properties; }) cfg.containers)
    ] ++ lib.mapAttrsToList componentsOf cfg.components);

    systemd.tmpfiles.rules = [ "d ${cfg.statedir} 0700 root root -" ];

    # NixOS owns /etc/systemd/system: units of the type systemd-unit stand here, as Dysnomia puts them.
    boot.extraSystemdUnitPaths = [ "/etc/systemd-mutable/system" ];

    systemd.services = lib.mapAttrs' (name: task: unit name (job task.job)) planned;
    systemd.timers = lib.mapAttrs' (name: _: unit name (timer cfg.${name})) planned;
  };
}
