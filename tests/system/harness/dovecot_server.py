"""A real Dovecot LMTP server of the system's package, configured in a temporary folder.

As root it runs its parts as Debian's dovecot users and the mailboxes as `nobody`; as an ordinary
user everything runs as that user.  It needs no port: LMTP is at a Unix socket.
"""

import grp
import os
import pwd
import subprocess

from resources import Folder, wait_until

DOVECOT = "/usr/sbin/dovecot"
START_TIMEOUT = 20

# What all versions of Dovecot write in one way; _CONFIG_OF has what differs by version.
_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 1
auth_cache_size = 0
quota_full_tempfail = yes
lmtp_rcpt_check_quota = {check_at_rcpt}
auth_username_chars =
service lmtp {{
  client_limit = 1
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""
FIRST_LINES = {"2.3": "", "2.4": "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"}
_CONFIG_OF = {"2.3": """
mail_location = maildir:{folder}/mail/%u
mail_plugins = quota
disable_plaintext_auth = no
plugin {{
  quota = maildir:User quota
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
""", "2.4": """
mail_driver = maildir
mail_path = {folder}/mail/%{{user}}
mail_plugins {{
  quota = yes
}}
auth_allow_cleartext = yes
quota_storage_grace = 0
quota "User quota" {{
  driver = maildir
}}
passdb passwd-file {{
  passwd_file_path = {folder}/users
}}
userdb passwd-file {{
  passwd_file_path = {folder}/users
}}
"""}
# A policy service that knows whether a message still fits into a mailbox.
_QUOTA_STATUS = """
service quota-status {{
  executable = quota-status -p postfix
  client_limit = 1
  inet_listener {name} {{
    port = {port}
  }}
}}
"""
_QUOTA_STATUS_OF = {"2.3": """
plugin {
  quota_status_success = DUNNO
  quota_status_nouser = DUNNO
  quota_status_overquota = 552 5.2.2 The mailbox is full
  quota_status_toolarge = 552 5.2.2 The mailbox is full
}
""", "2.4": """
quota_status_success = DUNNO
quota_status_nouser = DUNNO
quota_status_overquota = 552 5.2.2 The mailbox is full
quota_status_toolarge = 552 5.2.2 The mailbox is full
"""}
_QUOTA_OF = {"2.3": "userdb_quota_rule=*:bytes={}", "2.4": "userdb_quota_storage_size={}B"}


def version():
    """Of its configuration: 2.4 has another one than what came before."""
    said = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True).stdout
    return "2.3" if tuple(map(int, said.split()[0].split(".")[:2])) < (2, 4) else "2.4"


class Dovecot:
    """users: {address: quota in bytes, None for none}.

    A quota is lifted by a greater one, not by None: Dovecot keeps the last limit it knew.
    quota_status_port: where its policy service answers, if it is to run.
    """

    def __init__(self, users, check_at_rcpt=False, quota_status_port=None):
        self.folder = Folder()
        root = os.geteuid() == 0
        self.owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
        internal = "dovecot" if root else self.owner.pw_name
        self.socket = self.folder / "lmtp"
        self.version = version()
        os.mkdir(self.folder / "mail")
        os.chown(self.folder / "mail", self.owner.pw_uid, self.owner.pw_gid)
        self.set_users(users)
        text = FIRST_LINES[self.version] + _CONFIG + _CONFIG_OF[self.version]
        config = self.folder.file("dovecot.conf", text.format(
            folder=self.folder.path, internal=internal,
            internal_group=grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name,
            login="dovenull" if root else self.owner.pw_name,
            check_at_rcpt="yes" if check_at_rcpt else "no"))
        if quota_status_port is not None:
            with open(config, "a", encoding="utf-8") as file:
                file.write(_QUOTA_STATUS.format(port=quota_status_port,
                                                name="" if self.version == "2.3" else "quota-status"))
                file.write(_QUOTA_STATUS_OF[self.version])
        with open(self.folder / "dovecot.out", "wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", DOVECOT, "-F", "-c", config],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None,
                   START_TIMEOUT, lambda: "start of Dovecot\n" + self.log())
        if self.process.poll() is not None:
            raise AssertionError("Dovecot did not start\n" + self.log())

    def set_users(self, users):
        """Writes the user file anew; Dovecot reads it again when its time stamp has changed."""
        lines = []
        for address, quota in users.items():
            extra = _QUOTA_OF[self.version].format(quota) if quota is not None else ""
            lines.append(f"{address}:{{PLAIN}}secret:{self.owner.pw_uid}:{self.owner.pw_gid}::"
                         f"{self.folder.path}:: {extra}\n")
        path = self.folder.file("users.new", "".join(lines))
        os.rename(path, self.folder / "users")

    def messages(self, address):
        """Contents of the mailbox, with LF lines as Dovecot stores them."""
        found = []
        for part in ("new", "cur"):
            folder = os.path.join(self.folder.path, "mail", address, part)
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                with open(os.path.join(folder, name), "rb") as file:
                    found.append(file.read())
        return found

    def log(self):
        text = ""
        for name in ("dovecot.out", "dovecot.log"):
            if os.path.exists(self.folder / name):
                with open(self.folder / name, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.folder.remove()
