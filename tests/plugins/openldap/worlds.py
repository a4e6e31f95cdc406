"""Servers as nobody here would set them up: the other worlds of OpenLDAP's conformance suite."""

from __future__ import annotations

import base64
import pwd
from pathlib import Path
from random import Random

import pytest

from tests.plugins.openldap.world import SUFFIX, LdapWorld
from tests.plugins.other_user import OtherUser
from tests.plugins.servers.openldap import SlapdServer

ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "de_DE.ISO-8859-1",
    "TZ": "Asia/Kathmandu",
    "LDAPURI": "ldap://192.0.2.1",
    "LDAPBASE": "dc=elsewhere",
    "LDAPRC": "/nowhere",
    "LDAPCONF": "/nowhere",
    "LDAPTLS_CACERT": "/nowhere",
    "LDAPSASL_MECH": "EXTERNAL",
}
"""Of whoever starts a job: none of it may be seen in a snapshot."""
MODULES = """moduleload syncprov
moduleload memberof
moduleload refint
moduleload ppolicy
moduleload accesslog
moduleload unique
moduleload valsort
moduleload constraint
"""
OVERLAYS = """readonly off
lastmod on
lastbind on
sizelimit 1
overlay syncprov
syncprov-checkpoint 1 1
overlay memberof
overlay refint
refint_attributes member seeAlso
overlay unique
unique_uri ldap:///?uid?sub
overlay constraint
constraint_attribute uid count 1
overlay accesslog
logdb cn=log
logops writes
logsuccess TRUE
access to * by * none
"""


class HostileWorld(LdapWorld):
    """One file as configuration, another database before ours, a subordinate one below it, overlays that write."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        server = SlapdServer(SUFFIX, tree=False, modules=MODULES, overlays=OVERLAYS, before=self._before)
        super().__init__(folder, server)

    @staticmethod
    def _before(home: Path) -> str:
        return (
            f'database mdb\nsuffix "cn=log"\ndirectory {home}/log\nrootdn "cn=log"\n'
            f'database mdb\nsuffix "ou=below,{SUFFIX}"\nsubordinate\ndirectory {home}/below\n'
            f'rootdn "cn=admin,{SUFFIX}"\n'
        )

    def seed(self) -> None:
        super().seed()
        self.server.modify(
            f"dn: ou=below,{SUFFIX}\nobjectClass: organizationalUnit\nou: below\ndescription: of another database\n"
        )


class OtherOwnerWorld(LdapWorld):
    """The server runs as a user of its own, who owns the configuration as well; we are root."""

    def __init__(self, other: OtherUser, folder: Path) -> None:
        super().__init__(folder, SlapdServer(SUFFIX, user=pwd.getpwnam(other.name)))


class WideWorld(LdapWorld):
    """Every kind of entry and value."""

    def seed(self) -> None:
        super().seed()
        zoo(self.server)


class UpdatedWorld(LdapWorld):
    """After a tenth of many entries was changed and a tenth deleted, and some were moved below later ones."""

    def seed(self) -> None:
        super().seed()
        suffix = self.server.suffix
        many = range(100)
        self.server.modify(
            "".join(
                f"dn: ou=n{number},ou=people,{suffix}\nobjectClass: organizationalUnit\nou: n{number}\n\n"
                for number in many
            )
        )
        self.server.modify(
            "".join(
                f"dn: ou=n{number},ou=people,{suffix}\nchangetype: modify\nreplace: description\ndescription: again\n\n"
                for number in many[3::10]
            )
            + "".join(f"dn: ou=n{number},ou=people,{suffix}\nchangetype: delete\n\n" for number in many[5::10])
            + "".join(
                f"dn: ou=n{number},ou=people,{suffix}\nchangetype: modrdn\nnewrdn: ou=n{number}\ndeleteoldrdn: 0\n"
                f"newsuperior: ou=groups,{suffix}\n\n"
                for number in many[7::10]
            )
        )


def zoo(server: SlapdServer) -> None:
    """One of everything that an entry can hold, and names that are hard to write."""
    suffix = server.suffix
    random = Random(3)
    names = (
        "#hash",
        "a=b",
        'quo"te',
        "semi;colon",
        "<angle>",
        "back\\slash",
        "ünï✓",
        "x" * 200,
        "tab\there",
        "two  spaces",
    )
    for name in names:
        coded = base64.b64encode(name.encode()).decode()
        rdn = "".join(
            f"\\{byte:02x}" if byte > 126 or chr(byte) in ',+"\\<>;=#\t ' else chr(byte) for byte in name.encode()
        )
        server.modify(f"dn: cn={rdn},ou=groups,{suffix}\nobjectClass: organizationalRole\ncn:: {coded}\n")
    server.modify(
        f"dn: cn=two+ou=parts,ou=groups,{suffix}\nobjectClass: organizationalRole\ncn: two\nou: parts\n\n"
        f"dn: cn=alias,ou=groups,{suffix}\nobjectClass: alias\nobjectClass: extensibleObject\ncn: alias\n"
        f"aliasedObjectName: uid=ann,ou=people,{suffix}\n"
    )
    deep = f"ou=groups,{suffix}"
    for number in range(25):
        deep = f"ou=level {number},{deep}"
        server.modify(f"dn: {deep}\nobjectClass: organizationalUnit\nou: level {number}\n")
    values = "".join(
        f"description:: {base64.b64encode(one).decode()}\n"
        for one in (
            b" lead",
            b"trail ",
            b"two\nlines",
            b"x" * 70000,
            "✓".encode() * 80,
            b": colon",
            b"< less",
            b"a\r\nb",
        )
    )
    photos = "".join(f"jpegPhoto:: {base64.b64encode(random.randbytes(1 << size)).decode()}\n" for size in (1, 8, 16))
    members = "".join(f"memberUid: user{number}\n" for number in range(2000))
    server.modify(
        f"dn: uid=zoo,ou=people,{suffix}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: zoo\ncn: zoo\n"
        f"sn: zoo\nuidNumber: 1\ngidNumber: 1\nhomeDirectory: /\nuserPassword: {{SSHA}}abcdefgh\n"
        f"userPassword: {{CRYPT}}x\n{values}{photos}cn;lang-en: zoo\n\n"
        f"dn: cn=many,ou=groups,{suffix}\nobjectClass: posixGroup\ncn: many\ngidNumber: 5\n{members}"
    )
