// Every kind of mistake, with the exact place and words an operator sees.

#include <catch2/catch.hpp>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

std::vector<std::string> diagnostics_of(const std::string& text,
                                        std::map<std::string, std::string> more = {}) {
  more["t.toml"] = "hostname = \"mx.example.org\"\n" + text;
  std::vector<std::string> out;
  for (const Diagnostic& d : parse(Bundle{"t.toml", std::move(more)}).diagnostics)
    out.push_back(d.text());
  return out;
}

std::vector<std::string> warnings_of(const std::string& text) {
  Loaded loaded = parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n" + text}}});
  std::vector<std::string> out;
  for (const Diagnostic& d : loaded.diagnostics) out.push_back("error: " + d.text());
  for (const Diagnostic& d : loaded.warnings) out.push_back(d.text());
  return out;
}

struct Row {
  const char* text;  // from line 2 on; line 1 is a hostname
  const char* want;  // the only diagnostic
};

}  // namespace

TEST_CASE("one mistake, one message with its place") {
  const Row rows[] = {
      // keys and tables
      {"spol_dir = \"/x\"", "t.toml:2:1: unknown key 'spol_dir', did you mean 'spool_dir'?"},
      {"[limit]\nerrors = 3", "t.toml:2:2: unknown table 'limit', did you mean 'limits'?"},
      {"[limits]\nmesage_size = 3",
       "t.toml:3:1: unknown key 'mesage_size' in [limits], did you mean 'message_size'?"},
      {"[dns]\nresolver = 3",
       "t.toml:3:1: unknown key 'resolver' in [dns] (known: servers, trust_ad)"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nprotcol = \"smtp\"",
       "t.toml:4:1: unknown key 'protcol' in [[listener]], did you mean 'protocol'?"},
      {"[delivery]\ntimeouts = { conect = \"3s\" }",
       "t.toml:3:14: unknown key 'conect' in timeouts, did you mean 'connect'?"},
      // kinds
      {"spool_dir = 3", "t.toml:2:13: spool_dir must be a string, not an integer"},
      {"[limits]\nrecipients = \"many\"",
       "t.toml:3:14: recipients must be an integer, not a string"},
      {"[delivery]\nallow_private_mx = 1",
       "t.toml:3:20: allow_private_mx must be true or false, not an integer"},
      {"[listener]\naddress = \"127.0.0.1:25\"",
       "t.toml:2:1: listener must be written with two brackets: [[listener]]"},
      {"[[queue]]\nlifetime = \"5d\"",
       "t.toml:2:1: there is only one [queue]: write [queue], not [[queue]]"},
      {"dns = 3", "t.toml:2:7: dns must be a table [dns], not an integer"},
      {"[access]\ntrusted_networks = \"::1\"",
       "t.toml:3:20: trusted_networks must be a list of strings, not a string"},
      {"[access]\ntrusted_networks = [\"::1\", 4]",
       "t.toml:3:28: trusted_networks holds strings only, not an integer"},
      {"spool_dir = \"\"", "t.toml:2:13: spool_dir is empty"},
      // durations, sizes, numbers
      {"[queue]\nlifetime = \"5 days\"",
       "t.toml:3:12: lifetime: '5 days' is not a duration (such as 500ms, 10s, 5m, 2h, 3d)"},
      {"[queue]\nlifetime = 5",
       "t.toml:3:12: lifetime must be a duration like \"5m\", not an integer"},
      {"[queue]\nretry = [\"1m\", \"x\"]",
       "t.toml:3:16: retry: 'x' is not a duration (such as 500ms, 10s, 5m, 2h, 3d)"},
      {"[queue]\nretry = []", "t.toml:3:9: retry needs 1 to 100 durations"},
      {"[queue]\nretry = [\"0s\"]", "t.toml:3:10: retry: 0s is too short, at least 100ms"},
      {"[queue]\nlifetime = \"99999d\"",
       "t.toml:3:12: lifetime: 99999d is too long, at most 3650d"},
      {"[queue]\ndelay_warning = \"never\"",
       "t.toml:3:17: delay_warning: 'never' is not a duration (such as 500ms, 10s, 5m, 2h, 3d)"},
      {"[queue]\njitter = 2", "t.toml:3:10: jitter must be a number from 0 (off) to 0.5"},
      {"[limits]\nmessage_size = \"50MB\"",
       "t.toml:3:16: message_size must be a size in bytes or like \"100KiB\", \"50MiB\", not "
       "'50MB'"},
      {"[limits]\nmessage_size = 10",
       "t.toml:3:16: message_size must be between 1024 and 1099511627776 bytes"},
      {"[limits]\nrecipients = 0", "t.toml:3:14: recipients must be between 1 and 100000, not 0"},
      {"[delivery]\nsmtp_port = 65536",
       "t.toml:3:13: smtp_port must be between 1 and 65535, not 65536"},
      {"[workers]\nsmtpd = 0", "t.toml:3:9: smtpd must be between 1 and 64, not 0"},
      // addresses and names
      {"[access]\ntrusted_networks = [\"10.0.0.0/33\"]",
       "t.toml:3:21: '10.0.0.0/33' is not a network (such as 192.0.2.0/24, 2001:db8::/32 or a "
       "single address)"},
      {"[[listener]]\naddress = \"localhost:25\"",
       "t.toml:3:11: address must be IPv4:port, [IPv6]:port or unix:/path: 'localhost' is not an "
       "IP address"},
      {"[[listener]]\naddress = \"127.0.0.1\"",
       "t.toml:3:11: address must be IPv4:port, [IPv6]:port or unix:/path: the port is missing"},
      {"[[listener]]\naddress = \"127.0.0.1:0\"",
       "t.toml:3:11: address must be IPv4:port, [IPv6]:port or unix:/path: '0' is not a port (1 to "
       "65535)"},
      {"[[listener]]\naddress = \"127.0.0.1:99999\"",
       "t.toml:3:11: address must be IPv4:port, [IPv6]:port or unix:/path: '99999' is not a port "
       "(1 to 65535)"},
      {"[[listener]]\naddress = \"::1\"",
       "t.toml:3:11: address must be IPv4:port, [IPv6]:port or unix:/path: an IPv6 address with a "
       "port is written [address]:port"},
      {"[[listener]]\naddress = \"[::1:25\"",
       "t.toml:3:11: address must be IPv4:port, [IPv6]:port or unix:/path: '[' without ']'"},
      {"[[listener]]\naddress = \"unix:run/x\"",
       "t.toml:3:11: unix: needs an absolute path of at most 107 characters"},
      {"[[listener]]\nprotocol = \"smtp\"", "t.toml:2:1: address is missing in [[listener]]"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nprotocol = \"esmtp\"",
       "t.toml:4:12: protocol must be one of smtp, submission, lmtp, not 'esmtp'"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\n[[listener]]\naddress = \"127.0.0.1:25\"",
       "t.toml:5:11: 127.0.0.1:25 is already a listener at t.toml:3:11"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\ntls = \"optional\"",
       "t.toml:4:7: TLS needs certificate and key in [tls], which is missing"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nauth = true\nauth_without_tls = true",
       "t.toml:4:8: auth = true needs users_file, dovecot_socket, certificate_name or "
       "[[auth.certificate]] in [auth]"},
      {"[auth]\nmessage_rate = \"often\"",
       "t.toml:3:16: 'often' is not a rate (such as 10/min, 100/hour, 500/day) or none"},
      {"[auth]\nover_rate = \"drop\"",
       "t.toml:3:13: over_rate must be one of hold, refuse, not 'drop'"},
      {"[[auth.account]]\nmessage_rate = \"1/h\"",
       "t.toml:2:1: name is missing in [[auth.account]]"},
      {"[[auth.account]]\nname = \"a\"\n[[auth.account]]\nname = [\"b\", \"a\"]",
       "t.toml:5:14: the account a has a table already at t.toml:2:1"},
      {"[auth]\ncertificate_name = \"email\"",
       "t.toml:2:1: certificate_name needs client_ca in [tls], or anybody could name himself"},
      {"[[auth.certificate]]\nfingerprint = \"12:34\"\naccount = \"a\"",
       "t.toml:3:15: '12:34' is not a SHA-256 fingerprint (64 hexadecimal digits)"},
      {"[access]\ntrusted_certificates = [\"x\"]",
       "t.toml:3:25: 'x' is not a SHA-256 fingerprint (64 hexadecimal digits)"},
      {"[limits]\nclient_ipv4_prefix = 4",
       "t.toml:3:22: client_ipv4_prefix must be between 8 and 32, not 4"},
      {"[auth]\ndovecot_socket = \"/x\"\n[[listener]]\naddress = \"127.0.0.1:25\"\nauth = true",
       "t.toml:6:8: auth = true needs TLS, or auth_without_tls = true"},
      {"[auth]\nsenders = \"mine\"",
       "t.toml:3:11: senders must be any, own or file:/path, not 'mine'"},
      {"[[rule]]\nclient = \"x\"\naction = \"refuse\"",
       "t.toml:3:10: 'x' is not an address or network"},
      {"[[rule]]\nsender = \"a b\"\naction = \"refuse\"",
       "t.toml:3:10: 'a b' is not an address, domain, .domain, <> or *"},
      {"[[rule]]\nsender = \"<>\"", "t.toml:2:1: action is missing in [[rule]]"},
      {"[[rule]]\naction = \"drop\"",
       "t.toml:3:10: action must be one of allow, refuse, defer, discard, not 'drop'"},
      {"[auth]\nlockout = \"often\"",
       "t.toml:3:11: 'often' is not a rate (such as 10/min, 100/hour, 500/day)"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nproxy_protocol = true",
       "t.toml:4:18: proxy_protocol needs proxy_from, the list of proxies to believe"},
      {"[[listener]]\naddress = \"unix:/run/x\"\nproxy_protocol = true\nproxy_from = [\"::1\"]",
       "t.toml:4:18: proxy_protocol needs a TCP listener: proxy_from lists IP addresses"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nprotocol = \"lmtp\"",
       "t.toml:4:12: LMTP must not be spoken on port 25 (RFC 2033 5)"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\ntls = \"implicit\"",
       "t.toml:4:7: TLS needs certificate and key in [tls], which is missing"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\ntls = \"required\"",
       "t.toml:4:7: TLS needs certificate and key in [tls], which is missing"},
      {"[tls]\ncertificate = \"c.pem\"", "t.toml:2:1: key is missing in [tls]"},
      {"postmaster = \"postmaster\"", "t.toml:2:14: 'postmaster' is not an address"},
      {"[dns]\nservers = [\"127.0.0.1:x\"]",
       "t.toml:3:12: servers: 'x' is not a port (1 to 65535)"},
      {"[users]\nqueue = \"no body\"", "t.toml:3:9: 'no body' is not a user name"},
      {"[control]\nviewers = [\"no group\"]", "t.toml:3:12: 'no group' is not the name of a group"},
      {"[metrics]\naddress = \"9125\"", "t.toml:3:11: address: '9125' is not an IP address"},
      {"[tls_reports]", "t.toml:2:1: from is missing in [tls_reports]"},
      {"[tls_reports]\nfrom = \"b\u00fc@a.org\"",
       "t.toml:3:8: from: 'b\u00fc@a.org' is not an address"},
      {"[tls_reports]\nfrom = \"r@a.org\"\ndkim_selector = \"s\"",
       "t.toml:2:1: dkim_selector and dkim_key belong together in [tls_reports]"},
      {"[authentication]\n[dmarc_reports]", "t.toml:3:1: from is missing in [dmarc_reports]"},
      {"[authentication]\nspf = \"note\"\n[dmarc_reports]\nfrom = \"r@a b\"",
       "t.toml:5:8: from: 'r@a b' is not an address"},
      {"[dmarc_reports]\nfrom = \"r@a.org\"",
       "t.toml:2:1: [dmarc_reports] needs [authentication], and dmarc in it not off: nobody looks "
       "at "
       "what would be reported"},
      {"[authentication]\ndmarc = \"off\"\n[dmarc_reports]\nfrom = \"r@a.org\"",
       "t.toml:4:1: [dmarc_reports] needs [authentication], and dmarc in it not off: nobody looks "
       "at "
       "what would be reported"},
      {"[authentication]\n[dmarc_reports]\nfrom = \"r@a.org\"\nfolder = \"/x\"\n"
       "[tls_reports]\nfrom = \"r@a.org\"\nfolder = \"/x\"",
       "t.toml:5:10: folder of [dmarc_reports]: /x is the same folder as that of [tls_reports] "
       "(/x); "
       "it needs one of its own"},
      {"[log]\nlevel = \"loud\"",
       "t.toml:3:9: level must be one of debug, info, warning, error, not 'loud'"},
      // domains
      {"[[domain]]\nname = \"*\"",
       "t.toml:3:8: '*' would accept mail for every domain: an open relay"},
      {"[[domain]]\nname = \"a b.org\"", "t.toml:3:8: 'a b.org' is not a domain"},
      {"[[domain]]\nname = [\"a.org\", \"A.org\"]",
       "t.toml:3:18: a.org already stands at t.toml:3:9"},
      {"[[domain]]\nname = \"a.org\"\nrecipients = \"all\"",
       "t.toml:4:14: recipients must be any, probe, file:/path or a list, not 'all'"},
      {"[[domain]]\nname = \"a.org\"\nrecipients = [\"a b\"]",
       "t.toml:4:15: 'a b' is not a local part or an address"},
      {"[[domain]]\nrecipients = \"any\"", "t.toml:2:1: name is missing in [[domain]]"},
      // routes
      {"[[route]]\nmatch = \"*\"\ndeliver = \"lmtp:host\"",
       "t.toml:4:11: deliver: 'host' needs a port"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"http:host\"",
       "t.toml:4:11: deliver: expected mx, smtp:host:port, smtps:host:port, lmtp:host:port, "
       "lmtp:unix:/path or discard"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nxforward = true",
       "t.toml:5:12: xforward needs a next hop that deliver names (smtp: or lmtp:)"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\navoid = [\"starttls\"]",
       "t.toml:5:10: 'starttls' cannot be avoided (chunking, pipelining, dsn, 8bitmime, smtputf8, "
       "size, tls-session, tls1.3)"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"smtps:a:465\"\ntls = \"may\"",
       "t.toml:5:7: smtps: always encrypts: tls must be encrypt, verify or dane"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"smtp:a b:25\"",
       "t.toml:4:11: deliver: 'a b' is not a host name"},
      {"[[route]]\nmatch = \"*\"", "t.toml:2:1: deliver is missing in [[route]]"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"lmtp:unix:/s\"\nsign = true",
       "t.toml:5:8: sign is for mail that leaves by SMTP"},
      {"[[listener]]\naddress = \"127.0.0.1:25\"\nsign = \"yes\"",
       "t.toml:4:8: sign must be true or false, not a string"},
      {"[[route]]\nmatch = \"a*b\"\ndeliver = \"mx\"",
       "t.toml:3:9: 'a*b' is not a domain, .domain, user@domain or *"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\ntls = \"must\"",
       "t.toml:5:7: tls must be one of off, may, policy, encrypt, verify, dane, not 'must'"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth = \"user:secret\"",
       "t.toml:5:8: auth must be \"USER:file:/path\", \"file:/path\" or \"USER:command:/path\""},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nrate = \"fast\"",
       "t.toml:5:8: 'fast' is not a rate (such as 10/s, 100/min, 1000/hour, 5000/day)"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nsources = [\"eth0\"]",
       "t.toml:5:12: 'eth0' is not an IP address"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"smtp:a:25/2,b:25\"",
       "t.toml:4:11: deliver: either every host has a weight or none"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nclient = [\"::1\", \"a b\"]",
       "t.toml:5:18: 'a b' is not an address or network"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nsender = \"a b\"",
       "t.toml:5:10: 'a b' is not a domain, .domain, user@domain, <> or *"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nfamily = \"6\"",
       "t.toml:5:10: family must be any, ipv4, ipv6, ipv4-first or ipv6-first"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nfallback = \"mx\"",
       "t.toml:5:12: fallback names hosts, smtp:…, smtps:… or lmtp:…"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nfallback = \"lmtp:a:24\"",
       "t.toml:5:12: fallback must be smtp:, as deliver is"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nfallback_tls = \"off\"",
       "t.toml:5:16: fallback_tls needs fallback"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth_without_tls = true",
       "t.toml:5:20: auth_without_tls needs auth"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth = \"u:command:token\"",
       "t.toml:5:8: auth must be \"USER:file:/path\", \"file:/path\" or \"USER:command:/path\""},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth = \"u:command:/t\"\n"
       "auth_mechanisms = \"PLAIN\"",
       "t.toml:6:19: PLAIN takes a password, and auth names a command"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nin_doubt = \"drop\"",
       "t.toml:5:12: in_doubt must be one of retry, hold, not 'drop'"},
      // syntax
      {"spool_dir = ", "t.toml:2:13: syntax error in key-value pair: encountered end-of-file"},
      {"x = [1", "t.toml:2:7: syntax error in array: encountered end-of-file"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(diagnostics_of(row.text) == std::vector<std::string>{row.want});
  }
}

TEST_CASE("all mistakes are reported, in the order of the file") {
  auto found =
      diagnostics_of("zzz = 1\n[log]\nlevel = \"x\"\n[queue]\njitter = \"y\"\n[[domain]]\n");
  REQUIRE(found.size() == 4);
  CHECK(found[0].substr(0, 11) == "t.toml:2:1:");
  CHECK(found[1].substr(0, 11) == "t.toml:4:9:");
  CHECK(found[2].substr(0, 12) == "t.toml:6:10:");
  CHECK(found[3].substr(0, 11) == "t.toml:7:1:");
}

TEST_CASE("DANE needs servers that are believed") {
  const std::string route = "[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\ntls = \"dane\"\n";
  CHECK(
      diagnostics_of(route) ==
      std::vector<std::string>{
          "t.toml:2:1: tls = \"dane\" needs trust_ad = true in [dns], and servers that validate"});
  CHECK(diagnostics_of(route + "[dns]\ntrust_ad = true\n").empty());
}

TEST_CASE("what a later version does is taken with a warning") {
  const Row rows[] = {
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\n[[route]]\nmatch = \"a.org\"\ndeliver = \"mx\"",
       "t.toml:6:9: never reached: '*' at t.toml:3:9 takes everything before it"},
      {"[access]\ntrusted_networks = [\"0.0.0.0/0\"]",
       "t.toml:3:21: 0.0.0.0/0 trusts everyone: this is an open relay"},
      // S23
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth = \"me:command:/t\"\ntls = \"encrypt\"",
       "t.toml:6:7: tls = \"encrypt\" lets a server log us in that has not proven who it is; "
       "without "
       "it the level is verify"},
      {"[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth = \"me:command:/t\"\nauth_without_tls = "
       "true",
       "t.toml:6:20: auth_without_tls without tls lets a server log us in that has not proven who "
       "it is; without it the level is verify"},
      {"[limits]\nrecipients = 5",
       "t.toml:3:14: RFC 5321 4.5.3.1.8 asks every server to take 100 recipients"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(warnings_of(row.text) == std::vector<std::string>{row.want});
  }
}

TEST_CASE("mistakes in the files the configuration names") {
  CHECK(diagnostics_of("[[domain]]\nname = \"a.org\"\nrecipients = \"file:users\"",
                       {{"users", "# ours\nanna\n\nb b\n"}}) ==
        std::vector<std::string>{"users:4:1: 'b b' is not a local part or an address"});
  CHECK(diagnostics_of("[tls]\ncertificate = \"c\"\nkey = \"k\"",
                       {{"c", "-----BEGIN CERTIFICATE-----"}, {"k", "no key"}}) ==
        std::vector<std::string>{"t.toml:4:7: k is not a PEM file"});
  CHECK(diagnostics_of("[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nauth = \"me:file:s\"",
                       {{"s", "\n"}}) ==
        std::vector<std::string>{"t.toml:5:8: s must hold the password in its first line"});
}

TEST_CASE("included files: order, joining, and what is set twice") {
  std::map<std::string, std::string> files = {
      {"c/20.toml", "[queue]\nlifetime = \"1d\"\n[[domain]]\nname = \"c.org\"\n"},
      {"c/10.toml", "[queue]\njitter = 0\n[[domain]]\nname = \"b.org\"\n"},
      {"c/.hidden.toml", "nonsense = 1\n"}};
  auto with_main = [&](const std::string& text) {
    files["m.toml"] = "include = [\"c/*.toml\"]\nhostname = \"h.org\"\n" + text;
    return parse(Bundle{"m.toml", files});
  };
  Loaded loaded = with_main("[[domain]]\nname = \"a.org\"\n");
  REQUIRE(loaded.diagnostics.empty());
  REQUIRE(loaded.config.domains.size() == 3);
  CHECK(loaded.config.domains[1].names[0] == "b.org");
  CHECK(loaded.config.domains[2].names[0] == "c.org");
  CHECK(loaded.config.domains[2].origin.text() == "c/20.toml:3:1");
  CHECK(loaded.config.queue.jitter == 0);

  Loaded twice = with_main("[queue]\njitter = 0.2\n");
  REQUIRE(twice.diagnostics.size() == 1);
  CHECK(twice.diagnostics[0].text() == "c/10.toml:2:1: queue.jitter is already set at m.toml:4:1");

  files["c/30.toml"] = "include = [\"x\"]\nzap = 1\n";
  Loaded nested = with_main("yap = 1\n");
  REQUIRE(nested.diagnostics.size() == 1);
  CHECK(nested.diagnostics[0].text() == "c/30.toml:1:1: include is for the main file only");
}

TEST_CASE("F11, operate 14: port 465 without TLS from the first byte is warned of") {
  std::string head = "[[route]]\nmatch = \"*\"\n";
  CHECK(warnings_of(head + "deliver = \"smtp:a.example:587,b.example:465\"") ==
        std::vector<std::string>{"t.toml:4:11: port 465 speaks TLS from the first byte: write "
                                 "smtps:b.example:465"});
  CHECK(warnings_of(head + "deliver = \"smtps:a.example\"").empty());
  CHECK(warnings_of(head + "deliver = \"smtps:a.example\"\ntls = \"verify\"\n"
                           "avoid = [\"chunking\", \"tls13\"]\nfallback = \"smtps:b.example\"")
            .empty());
  CHECK(warnings_of(head + "deliver = \"mx\"\nfallback = \"smtp:b.example:465\"").size() == 1);
}

TEST_CASE("kind 16: concurrency keeps working, with a word of what to write instead") {
  auto route = [](const std::string& keys) {
    std::string text = "hostname = \"mx.x\"\n[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\n" + keys;
    Loaded loaded = parse(Bundle{"t.toml", {{"t.toml", text}}});
    REQUIRE(loaded.diagnostics.empty());
    return loaded.config.routes.at(0).bounds;
  };
  std::string head = "[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\n";
  mail::Bounds one = route("concurrency = 5");
  CHECK(one.connections == 5);
  CHECK(one.in_flight == 0);
  CHECK(one.route_connections == 0);
  CHECK(warnings_of(head + "concurrency = 5") ==
        std::vector<std::string>{
            "t.toml:5:15: concurrency counts connections now: write connections = 5 instead (TCP "
            "connections to one destination; in_flight bounds the messages on each)"});
  // A file of the time when connections was of the whole route.
  mail::Bounds both = route("concurrency = 20\nconnections = 60");
  CHECK(both.connections == 20);
  CHECK(both.route_connections == 60);
  CHECK(warnings_of(head + "concurrency = 20\nconnections = 60") ==
        std::vector<std::string>{
            "t.toml:5:15: concurrency counts connections now: write connections = 20 and "
            "route_connections = 60 instead (TCP connections to one destination; in_flight bounds "
            "the messages on each)"});
  CHECK(route("concurrency = 20\nconnections = 3").connections == 3);
  CHECK(warnings_of(head + "connections = 5\nin_flight = 3\nconnection_rate = \"10/min\"").empty());
}
