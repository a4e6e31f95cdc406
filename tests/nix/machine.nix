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
    systemd = {
      services = free (types.attrsOf types.anything);
      tmpfiles.rules = mkOption { type = types.listOf types.str; default = [ ]; };
    };
  };
  pkgs.callPackage = _: _: { outPath = "/nix/store/00000000000000000000000000000000-dysnomia-tui"; };
  inherit (lib.evalModules { modules = [ nixos module (import configuration) ]; specialArgs = { inherit pkgs; }; }) config;
in
{
  etc = builtins.mapAttrs (_: file: file.text or { source = toString file.source; }) config.environment.etc;
  inherit (config.environment) variables;
  packages = map (package: package.outPath) config.environment.systemPackages;
  inherit (config.systemd) services;
  tmpfiles = config.systemd.tmpfiles.rules;
}
