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
        buildPythonPackage = arguments: arguments.pname;
        fetchPypi = arguments: arguments.hash;
      } // builtins.listToAttrs (map (name: lib.nameValuePair name name)
        [ "hatchling" "textual" "rich" "platformdirs" "psutil" "msgspec" "backports-zstd" "setuptools" "cython" "typing-extensions" ]);
    };
  };
in
made // { src = toString made.src; }
