# Dysnomia TUI on NixOS. What it writes below /etc/dysnomia is what Dysnomia's own module writes, in the same places, so
# that bash Dysnomia and Disnix read it as well; with that module enabled, leave properties, containers and components
# here empty.
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

  job = { description, command, calendar }: lib.mkIf (calendar != null) {
    inherit description;
    environment = cfg.environment;
    serviceConfig = {
      Type = "oneshot";
      ExecStart = command;
    };
    startAt = calendar;
  };
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

    snapshot = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "02:00";
      description = "When every component is snapshotted (a systemd calendar expression).";
    };

    collect = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "04:00";
      description = "When old generations are collected, by the retention in the settings.";
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      description = "The variables that lead Dysnomia's commands, and ours, to all this.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.variables = cfg.environment;

    services.dysnomia-tui.environment = {
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

    systemd.services.dysnomia-tui-snapshot = job {
      description = "Snapshot every component";
      command = "${cfg.package}/bin/dysnomia-containers --snapshot";
      calendar = cfg.snapshot;
    };

    systemd.services.dysnomia-tui-collect = job {
      description = "Collect old snapshots";
      command = "${cfg.package}/bin/dysnomia-snapshots --gc --policy";
      calendar = cfg.collect;
    };
  };
}
