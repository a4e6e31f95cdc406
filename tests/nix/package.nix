# What our package asks of nixpkgs, its packages by their names.
{ package }:

let
  lib = import ./lib.nix;
  named = name: name;
  made = import package {
    inherit lib;
    bash = named "bash";
    python3 = {
      version = "3.12.4";
      pkgs = {
        buildPythonApplication = arguments: arguments;
      } // builtins.listToAttrs (map (name: lib.nameValuePair name name)
        [ "hatchling" "textual" "rich" "platformdirs" "psutil" "msgspec" "backports-zstd" ]);
    };
  };
in
made // { src = toString made.src; }
