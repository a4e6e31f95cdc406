# What our module makes of a machine's configuration (a file), as JSON: what NixOS itself would do with it stands in.
{ configuration, module }:

let
  lib = import ./lib.nix;
  inherit (lib) mkOption types;
  free = type: mkOption { inherit type; default = { }; };
  nixos.options = {
    environment = {
      etc = free (types.attrsOf (types.attrsOf types.anything));
      variables = free (types.attrsOf types.str);
      systemPackages = mkOption { type = types.listOf types.package; default = [ ]; };
    };
    boot.extraSystemdUnitPaths = mkOption { type = types.listOf types.str; default = [ ]; };
    dysnomia.enable = mkOption { type = types.bool; default = false; };
    services = {
      postgresql = free (types.attrsOf types.anything);
      mysql = free (types.attrsOf types.anything);
      svnserve = free (types.attrsOf types.anything);
      redis.servers = free (types.attrsOf types.anything);
    };
    systemd = {
      services = free (types.attrsOf types.anything);
      timers = free (types.attrsOf types.anything);
      tmpfiles.rules = mkOption { type = types.listOf types.str; default = [ ]; };
    };
  };
  pkgs.callPackage = _: _: { outPath = "/nix/store/00000000000000000000000000000000-dysnomia-tui"; };
  inherit (lib.evalModules { modules = [ nixos module (import configuration) ]; specialArgs = { inherit pkgs; }; }) config;
in
{
  etc = builtins.mapAttrs (_: file: file.text or { source = toString file.source; }) config.environment.etc;
  inherit (config.environment) variables;
  packages = map (package: "${package.outPath} ${toString package.meta.priority}") config.environment.systemPackages;
  inherit (config.systemd) services timers;
  unitPaths = config.boot.extraSystemdUnitPaths;
  tmpfiles = config.systemd.tmpfiles.rules;
}
