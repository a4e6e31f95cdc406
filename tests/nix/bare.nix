# Beside Dysnomia's own module: nothing is said below /etc/dysnomia.
{ services.dysnomia-tui.enable = true; }
