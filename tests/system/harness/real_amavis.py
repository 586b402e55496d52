"""Debian's amavisd-new with the configuration of its package: takes mail by SMTP and gives it back by SMTP."""

from real_filters import RealFilter


class Amavis(RealFilter):
    """back: the port that it gives mail back to, from source. more: lines of its Perl. port: its own."""

    program = "/usr/sbin/amavisd"
    users = {"amavis": 61970}

    def prepare(self):
        self.port = self.options.get("port", self.port)
        self.etc("mailname", "here.example\n")
        self.etc("amavis/conf.d/05-node_id", 'use strict;\n$myhostname = "scanner.here.example";\n1;\n')
        self.etc("amavis/conf.d/50-user", f"""use strict;
$inet_socket_port = {self.port};
$forward_method = $notify_method = 'smtp:[127.0.0.1]:{self.options["back"]}';
$local_client_bind_address = '{self.options["source"]}';
@bypass_spam_checks_maps = (0);
$sa_local_tests_only = 1;
$max_servers = 2;
$DO_SYSLOG = 0;
$log_level = 2;
{self.options.get("more", "")}
1;
""")

    def command(self):
        return "\n".join([
            self.owned("amavis", "/run/amavis", *("/var/lib/amavis" + below for below in (
                "", "/tmp", "/db", "/virusmails", "/.spamassassin"))),
            "exec amavisd foreground"])
