# A small stand-in for the parts of nixpkgs' lib that our module uses: options with types and defaults, definitions with
# priorities and conditions, merged as evalModules does. Whoever gives an option that was not declared, or a value of
# another type, is told.
rec {
  # Attribute sets, lists and strings.
  inherit (builtins) concatStringsSep mapAttrs;
  concatStrings = concatStringsSep "";
  concatMapStringsSep = sep: f: list: concatStringsSep sep (map f list);
  mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
  nameValuePair = name: value: { inherit name value; };
  mapAttrs' = f: set: builtins.listToAttrs (mapAttrsToList f set);
  filterAttrs = f: set: builtins.listToAttrs (
    builtins.concatMap (name: if f name set.${name} then [ (nameValuePair name set.${name}) ] else [ ])
      (builtins.attrNames set)
  );
  hasInfix = infix: text:
    let size = builtins.stringLength infix; in
    builtins.any (at: builtins.substring at size text == infix)
      (builtins.genList (at: at) (builtins.stringLength text));
  optionalAttrs = condition: set: if condition then set else { };
  optional = condition: value: if condition then [ value ] else [ ];
  optionalString = condition: text: if condition then text else "";
  versionOlder = a: b: builtins.compareVersions a b < 0;
  licenses.mit = "mit";
  platforms.linux = [ "x86_64-linux" ];

  # Of two packages with a program of the same name this one's is taken.
  hiPrio = package: package // { meta = (package.meta or { }) // { priority = -10; }; };

  # Options.
  mkOption = option: option // { _type = "option"; };
  mkEnableOption = what: mkOption { type = types.bool; default = false; description = "Whether to enable ${what}."; };

  # Definitions. The smaller number wins.
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkDefault = mkOverride 1000;
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };

  # A type says which values are its own, and merges several definitions of one option.
  types =
    let
      one = name: check: {
        inherit name check;
        merge = where: values:
          if builtins.length values == 1 then builtins.head values
          else throw "${where} is defined ${toString (builtins.length values)} times";
      };
    in
    rec {
      bool = one "bool" builtins.isBool;
      str = one "str" builtins.isString;
      path = one "path" (value: builtins.isPath value || (builtins.isString value && builtins.substring 0 1 value == "/"));
      package = one "package" (value: builtins.isAttrs value && value ? outPath);
      anything = { name = "anything"; check = _: true; merge = where: values: (if builtins.isAttrs (builtins.head values)
        then attrsOf anything else one "anything" (_: true)).merge where values; };
      nullOr = type: type // { name = "nullOr ${type.name}"; check = value: value == null || type.check value; };
      listOf = type: {
        name = "listOf ${type.name}";
        check = value: builtins.isList value && builtins.all type.check value;
        merge = _: builtins.concatLists;
      };
      attrsOf = type: {
        name = "attrsOf ${type.name}";
        check = builtins.isAttrs;
        # A name whose only definition has a condition that does not hold is not there.
        merge = where: values:
          builtins.mapAttrs (name: given: define "${where}.${name}" type given)
            (filterAttrs (_: given: builtins.concatMap flatten given != [ ])
              (builtins.zipAttrsWith (_: given: given) values));
      };
    };

  # What definitions come to: conditions and merges taken apart, then those of the smallest number.
  flatten = definition:
    if builtins.isAttrs definition && definition ? _type then
      if definition._type == "if" then (if definition.condition then flatten definition.content else [ ])
      else if definition._type == "merge" then builtins.concatMap flatten definition.contents
      else if definition._type == "override" then
        map (found: found // { inherit (definition) priority; }) (flatten definition.content)
      else [ { priority = 100; value = definition; } ]
    else [ { priority = 100; value = definition; } ];

  define = where: type: definitions:
    let
      found = builtins.concatMap flatten definitions;
      least = builtins.foldl' (a: b: if b.priority < a then b.priority else a) 10000 found;
      values = map (one: one.value) (builtins.filter (one: one.priority == least) found);
      wrong = builtins.filter (value: !(type.check value)) values;
    in
    if wrong != [ ] then throw "${where} is no ${type.name}" else type.merge where values;

  isOption = value: builtins.isAttrs value && (value._type or "") == "option";

  # The definitions of what is below an attribute, through conditions.
  below = name: definition:
    if builtins.isAttrs definition && (definition._type or "") == "if" then
      map (mkIf definition.condition) (below name definition.content)
    else if builtins.isAttrs definition && (definition._type or "") == "merge" then
      builtins.concatMap (below name) definition.contents
    else if builtins.isAttrs definition && definition ? ${name} then [ definition.${name} ]
    else [ ];

  names = definition:
    if builtins.isAttrs definition && (definition._type or "") == "if" then
      (if definition.condition then names definition.content else [ ])
    else if builtins.isAttrs definition && (definition._type or "") == "merge" then
      builtins.concatMap names definition.contents
    else builtins.attrNames definition;

  evaluate = where: options: definitions:
    builtins.mapAttrs
      (name: option:
        let
          given = builtins.concatMap (below name) definitions;
          here = if where == "" then name else "${where}.${name}";
          # A default is one more definition, weaker than any.
          standing = given ++ optional (option ? default) (mkOverride 1500 (option.default or null));
          values = builtins.concatMap flatten standing;
        in
        if !(isOption option) then evaluate here option given
        else if values == [ ] then
          throw "${here} is used and not defined"
        else define here option.type standing)
      options;

  unknown = where: options: definitions:
    builtins.concatMap
      (definition: builtins.concatMap
        (name:
          let here = if where == "" then name else "${where}.${name}"; in
          if !(options ? ${name}) then [ here ]
          else if isOption options.${name} then [ ]
          else unknown here options.${name} (below name definition))
        (names definition))
      definitions;

  evalModules = { modules, specialArgs ? { } }:
    let
      load = module: if builtins.isFunction module then module arguments
        else if builtins.isPath module then load (import module) else module;
      arguments = specialArgs // { inherit config; lib = import ./lib.nix; };
      loaded = map load modules;
      merged = builtins.foldl' mergeOptions { } (map (module: module.options or { }) loaded);
      definitions = map (module: module.config or (builtins.removeAttrs module [ "options" ])) loaded;
      strangers = unknown "" merged definitions;
      config = evaluate "" merged definitions;
    in
    if strangers != [ ] then throw "no such option: ${concatStringsSep ", " strangers}" else { inherit config; };

  mergeOptions = a: b: a // builtins.mapAttrs
    (name: value: if a ? ${name} && !(isOption value) then mergeOptions a.${name} value else value) b;
}
