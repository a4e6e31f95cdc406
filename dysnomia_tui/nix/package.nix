# The program as a package: callPackage of a checkout's own expression, with nixpkgs' python3 (3.11 or newer).
{ lib
, python3
, bash
, src ? ../..
}:

let
  project = (builtins.fromTOML (builtins.readFile (src + "/pyproject.toml"))).project;

  # Not in nixpkgs. Compiled, or else it is 200 times slower and not used: then no generation shares anything.
  pyfastcdc = python3.pkgs.buildPythonPackage rec {
    pname = "pyfastcdc";
    version = "0.3.1";
    src = python3.pkgs.fetchPypi {
      inherit pname version;
      hash = "sha256-TUvMCwekjz8xIhtbhj4axa0n1stQiR9u1+ivL8ZmsJE=";
    };
    pyproject = true;
    build-system = [ python3.pkgs.setuptools python3.pkgs.cython ];
    dependencies = [ python3.pkgs.typing-extensions ];
    env.PYFASTCDC_REQUIRE_CYTHON = "1";
    pythonImportsCheck = [ "pyfastcdc" ];
  };
in
python3.pkgs.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  inherit src;
  pyproject = true;

  build-system = [ python3.pkgs.hatchling ];
  dependencies = [
    python3.pkgs.textual
    python3.pkgs.rich
    python3.pkgs.platformdirs
    python3.pkgs.psutil
    python3.pkgs.msgspec
    pyfastcdc
  ] ++ lib.optional (lib.versionOlder python3.version "3.14") python3.pkgs.backports-zstd;
  # nixpkgs has one version of each: ours are tested with those that pyproject.toml names.
  pythonRelaxDeps = true;

  buildInputs = [ bash ];
  # What bash Dysnomia, Disnix and modules written for Dysnomia call: $out/libexec/dysnomia, $out/share/dysnomia/util.
  postFixup = ''
    $out/bin/dysnomia-tui install-modules $out
  '';
  # The tests want real servers.
  doCheck = false;
  pythonImportsCheck = [ "dysnomia_tui" "dysnomia_plugins" "dysnomia_store" "dysnomia_base" ];

  meta = {
    inherit (project) description;
    license = lib.licenses.mit;
    mainProgram = "dysnomia-tui";
    platforms = lib.platforms.linux;
  };
}
