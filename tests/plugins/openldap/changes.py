"""A small directory with one of everything, and single changes to it, made with OpenLDAP's own clients."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from random import Random

from tests.plugins.servers.openldap import SlapdServer

PEOPLE = ("ann", "bob", "cleo", "dörte")


def seed_ldif(suffix: str) -> str:
    """What a test's directory begins with."""
    first = suffix.partition(",")[0].partition("=")[2]
    people = "".join(
        f"dn: uid={name},ou=people,{suffix}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name} Example\nsn: Example\n"
        f"mail: {number}@example.org\nmail: alias{number}@example.org\nuserPassword: plain-{number}\n\n"
        for number, name in enumerate(PEOPLE)
    )
    return f"""dn: {suffix}
objectClass: top
objectClass: dcObject
objectClass: organization
o: Ex
dc: {first}

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people
description:: {base64.b64encode(" begins with a space, ü".encode()).decode()}

dn: ou=groups,{suffix}
objectClass: organizationalUnit
ou: groups

{people}dn: cn=all,ou=groups,{suffix}
objectClass: groupOfNames
cn: all
member: uid=ann,ou=people,{suffix}
member: uid=bob,ou=people,{suffix}

dn: cn=a\\, b\\+c,ou=groups,{suffix}
objectClass: groupOfNames
cn: a, b+c
member: uid=ann,ou=people,{suffix}
seeAlso: cn=all,ou=groups,{suffix}
description: folded {"x" * 300}

dn: ou=elsewhere,{suffix}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://elsewhere.example.org/dc=elsewhere

"""


def _person(random: Random) -> str:
    return f"uid={random.choice(PEOPLE[:3])},ou=people"


def _set(server: SlapdServer, dn: str, attribute: str, value: str | bytes, how: str = "replace") -> str:
    data = value.encode() if isinstance(value, str) else value
    coded = base64.b64encode(data).decode()
    server.modify(f"dn: {dn},{server.suffix}\nchangetype: modify\n{how}: {attribute}\n{attribute}:: {coded}\n")
    return f"{how} {attribute} of {dn}"


def _add(server: SlapdServer, random: Random) -> str:
    name = f"new{random.getrandbits(48):x}"
    server.modify(
        f"dn: uid={name},ou=people,{server.suffix}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: x\n"
    )
    return f"added {name}"


def _delete(server: SlapdServer, random: Random) -> str:
    _add(server, random)
    name = f"gone{random.getrandbits(48):x}"
    dn = f"ou={name},ou=groups,{server.suffix}"
    server.modify(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {name}\n")
    server.modify(f"dn: {dn}\nchangetype: delete\n")
    return "added one and deleted another"


def _rename(server: SlapdServer, random: Random) -> str:
    name = f"r{random.getrandbits(48):x}"
    dn = f"ou={name},ou=groups,{server.suffix}"
    server.modify(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {name}\n")
    server.modify(f"dn: {dn}\nchangetype: modrdn\nnewrdn: ou=renamed {name}\ndeleteoldrdn: 1\n")
    return f"renamed {name}"


def _move(server: SlapdServer, random: Random) -> str:
    """Below an entry that came later: it stands after what is in it, in the order of the database."""
    name = f"m{random.getrandbits(48):x}"
    server.modify(f"dn: ou={name},ou=people,{server.suffix}\nobjectClass: organizationalUnit\nou: {name}\n")
    server.modify(f"dn: ou=late {name},ou=groups,{server.suffix}\nobjectClass: organizationalUnit\nou: late {name}\n")
    server.modify(
        f"dn: ou={name},ou=people,{server.suffix}\nchangetype: modrdn\nnewrdn: ou={name}\ndeleteoldrdn: 0\n"
        f"newsuperior: ou=late {name},ou=groups,{server.suffix}\n"
    )
    return f"moved {name}"


def _class(server: SlapdServer, random: Random) -> str:
    name = f"c{random.getrandbits(48):x}"
    server.modify(f"dn: ou={name},ou=groups,{server.suffix}\nobjectClass: organizationalUnit\nou: {name}\n")
    return _set(server, f"ou={name},ou=groups", "objectClass", "extensibleObject", "add")


def _less(server: SlapdServer, random: Random) -> str:
    dn, value = _person(random), f"+49 {random.getrandbits(40)}"
    _set(server, dn, "telephoneNumber", value, "add")
    return _set(server, dn, "telephoneNumber", value, "delete")


def _same(server: SlapdServer, random: Random) -> str:
    """Only the server's own notes of the entry differ afterwards, and those are state."""
    return _set(server, _person(random), "sn", "Example")


CHANGES: Mapping[str, Callable[[SlapdServer, Random], str]] = {
    "value": lambda s, r: _set(s, _person(r), "mail", f"{r.getrandbits(48)}@example.org"),
    "entry": _add,
    "deleted": _delete,
    "password": lambda s, r: _set(s, _person(r), "userPassword", f"pass {r.getrandbits(48)}"),
    "another value": lambda s, r: _set(s, _person(r), "mail", f"x{r.getrandbits(48)}@example.org", "add"),
    "renamed": _rename,
    "moved": _move,
    "no text": lambda s, r: _set(s, _person(r), "jpegPhoto", b"\xff\xd8\0" + r.randbytes(100)),
    "umlauts": lambda s, r: _set(s, _person(r), "displayName", f" Jörg ✓ {r.getrandbits(48)} "),
    "class": _class,
    "deleted value": _less,
    "member": lambda s, r: _set(s, "cn=all,ou=groups", "member", f"uid=n{r.getrandbits(48)},{s.suffix}", "add"),
    "long": lambda s, r: _set(s, "cn=all,ou=groups", "description", "y" * 5000 + str(r.getrandbits(48))),
    "case": lambda s, r: _set(s, _person(r), "cn", f"{'aA'[r.getrandbits(1)]} {r.getrandbits(48)}"),
    "written again": _same,
    "another tongue": lambda s, r: _set(s, _person(r), "cn;lang-de", f"Name {r.getrandbits(48)}"),
}
