# Beside Dysnomia's own module: nothing is said below /etc/dysnomia, though a service runs.
{ dysnomia.enable = true; services.dysnomia-tui.enable = true; services.postgresql.enable = true; }
