#include <catch2/catch.hpp>

#include <cstdlib>

#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/config/document/values.h"
#include "common/config/load/bundle.h"
#include "common/config/load/client_settings.h"

#include <fcntl.h>

using namespace postwain;
using namespace postwain::config;
using namespace std::chrono_literals;

namespace {

Config config_of(const std::string& text, std::map<std::string, std::string> more = {}) {
  more["/etc/p/t.toml"] = text;
  Loaded loaded = parse(Bundle{"/etc/p/t.toml", std::move(more)});
  for (const Diagnostic& d : loaded.diagnostics) FAIL_CHECK(d.text());
  return loaded.config;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/pw-config-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() {
    for (const std::string& file : files) unlink(file.c_str());
    rmdir(path.c_str());
  }
  std::string put(const std::string& name, const std::string& text) {
    std::string file = path + "/" + name;
    UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    REQUIRE(write_all(fd.get(), text).ok());
    files.push_back(file);
    return file;
  }
  std::string path;
  std::vector<std::string> files;
};

}  // namespace

TEST_CASE("an empty file gives all defaults of the manual") {
  Config c = config_of("");
  CHECK(c.postmaster == "postmaster@" + c.hostname);
  CHECK(c.spool_dir == "/var/lib/postwain");
  CHECK(c.runtime_dir == "/run/postwain");
  CHECK(c.qmgr_socket() == "/run/postwain/qmgr.sock");
  CHECK(c.listeners.empty());
  CHECK(c.access.trusted_networks.empty());
  CHECK(c.limits.message_size == 50U << 20);
  CHECK(c.limits.recipients == 1000);
  CHECK(c.limits.connections == 2000);
  CHECK(c.limits.connections_per_ip == 50);
  CHECK(c.limits.command_timeout == 5min);
  CHECK(c.limits.data_timeout == 3min);
  CHECK(c.limits.errors == 20);
  CHECK(c.queue.lifetime == 120h);
  CHECK(c.queue.bounce_lifetime == 48h);
  CHECK(c.queue.delay_warning == Duration(4h));
  CHECK(c.queue.retry == std::vector<Duration>{1min, 5min, 15min, 30min, 1h, 2h, 4h});
  CHECK(c.queue.retry_lmtp == std::vector<Duration>{10s, 30s, 1min, 2min, 5min});
  CHECK(c.queue.jitter == 0.1);
  CHECK(c.queue.history == 14 * 24h);
  CHECK(c.delivery.smtp_port == 25);
  CHECK_FALSE(c.delivery.allow_private_mx);
  CHECK(c.delivery.timeouts.connect == 30s);
  CHECK(c.delivery.timeouts.final == 10min);
  CHECK(c.dns.servers.empty());
  CHECK(c.users.queue == "postwain");
  CHECK(c.users.network.empty());
  CHECK(c.sandbox == Sandbox::on);
  CHECK(c.workers.smtpd >= 1);
  CHECK(c.workers.smtp_client == 1);
  CHECK(c.metrics_address.empty());
  CHECK_FALSE(c.tls_reports.wanted);
  CHECK(c.log.format == LogFormat::text);
}

TEST_CASE("reports about TLS are wanted where there is a table for them") {
  Config c = config_of(R"(
hostname = "mx.example.org"
spool_dir = "/var/spool/x"
[tls_reports]
from = "reports@example.org"
)");
  CHECK(c.tls_reports.wanted);
  CHECK(c.tls_reports.organization == "mx.example.org");
  CHECK(c.tls_reports.contact == "postmaster@mx.example.org");
  CHECK(c.tls_reports.folder == "/var/spool/x-reports");
  CHECK(c.tls_reports.spread == 4h);
  CHECK(c.tls_reports.dkim_key.empty());
  CHECK_FALSE(c.dmarc_reports.wanted);
}

TEST_CASE("reports about DMARC are wanted where there is a table for them") {
  std::string head = R"(
hostname = "mx.example.org"
spool_dir = "/var/spool/x"
[authentication]
[dmarc_reports]
from = "reports@example.org"
)";
  Config c = config_of(head);
  CHECK(c.dmarc_reports.wanted);
  CHECK_FALSE(c.tls_reports.wanted);
  CHECK(c.dmarc_reports.from == "reports@example.org");
  CHECK(c.dmarc_reports.organization == "mx.example.org");
  CHECK(c.dmarc_reports.contact == "postmaster@mx.example.org");
  CHECK(c.dmarc_reports.folder == "/var/spool/x-dmarc-reports");
  CHECK(c.dmarc_reports.spread == 4h);
  c = config_of(head + R"(
organization = "Example"
contact = "post@example.org"
folder = "/var/spool/y"
spread = "1h"
)");
  CHECK(c.dmarc_reports.organization == "Example");
  CHECK(c.dmarc_reports.contact == "post@example.org");
  CHECK(c.dmarc_reports.folder == "/var/spool/y");
  CHECK(c.dmarc_reports.spread == 1h);
}

TEST_CASE("every key reaches its value") {
  Config c = config_of(R"(
hostname = "MX.Example.org"
postmaster = "anna@example.org"
spool_dir = "spool"
runtime_dir = "/run/x"
[[listener]]
address = "0.0.0.0:25"
[[listener]]
address = "[::1]:465"
protocol = "submission"
tls = "implicit"
[[listener]]
address = "unix:/run/x/lmtp"
protocol = "lmtp"
tls = "off"
[tls]
certificate = "c"
key = "k"
[access]
trusted_networks = ["127.0.0.0/8", "::1"]
[limits]
message_size = "10MiB"
command_timeout = "1500ms"
[[domain]]
name = ["Example.org", ".example.net"]
recipients = ["Anna", "Ben@example.net"]
[[domain]]
name = "f.org"
recipients = "file:users"
[[route]]
match = ["Example.org", "ben@Example.NET", ".x.org"]
deliver = "lmtp:unix:/run/dovecot/lmtp"
connections = 60
in_flight = 8
route_connections = 70
connection_rate = "30/min"
[[route]]
match = "*"
deliver = "smtp:[192.0.2.1]:587,b.example:25"
tls = "verify"
auth = "me:file:secret"
retry = "store"
rate = "100/min"
sources = ["192.0.2.9"]
[queue]
delay_warning = "off"
retry = ["1s"]
jitter = 0
[delivery]
smtp_port = 2525
allow_private_mx = true
timeouts = { connect = "1s", final = "2s" }
[dns]
servers = ["127.0.0.1:5353", "::1"]
[users]
queue = "q"
network = "n"
[workers]
smtpd = 3
[log]
format = "json"
level = "debug"
)",
                       {{"c", "-----BEGIN CERTIFICATE-----"},
                        {"k", "-----BEGIN PRIVATE KEY-----"},
                        {"users", "cora\n# x\nDora@f.org\r\n"},
                        {"secret", "s3cret\n"}});
  CHECK(c.hostname == "mx.example.org");
  CHECK(c.spool_dir == "/etc/p/spool");
  REQUIRE(c.listeners.size() == 3);
  CHECK(c.listeners[0].name() == "0.0.0.0:25");
  CHECK(c.listeners[0].tls == ListenerTls::optional);
  CHECK(c.listeners[1].name() == "[::1]:465");
  CHECK(c.listeners[1].tls == ListenerTls::implicit);
  CHECK(c.listeners[1].origin.text() == "/etc/p/t.toml:8:1");
  CHECK(c.listeners[2].name() == "unix:/run/x/lmtp");
  CHECK(c.limits.message_size == 10U << 20);
  CHECK(c.limits.command_timeout == 1500ms);
  CHECK(c.domains[0].names == std::vector<std::string>{"example.org", ".example.net"});
  CHECK(c.domains[0].allowed == std::vector<std::string>{"anna", "ben@example.net"});
  CHECK(c.domains[1].allowed == std::vector<std::string>{"cora", "dora@f.org"});
  CHECK(c.routes[0].match == std::vector<std::string>{"example.org", "ben@example.net", ".x.org"});
  CHECK(c.routes[0].mailbox_schedule);
  CHECK(c.routes[0].bounds.connections == 60);
  CHECK(c.routes[0].bounds.in_flight == 8);
  CHECK(c.routes[0].bounds.route_connections == 70);
  CHECK(c.routes[0].bounds.rate_count == 30);
  CHECK(c.routes[0].bounds.rate_period == 1min);
  CHECK_FALSE(c.routes[1].bounds.counted());
  CHECK_FALSE(c.routes[0].tls);
  CHECK(c.routes[1].deliver.key() == "smtp:[192.0.2.1]:587,b.example:25");
  CHECK(c.routes[1].credential.user == "me");
  CHECK(c.routes[1].credential.secret == "s3cret");
  CHECK(c.routes[1].rate_count == 100);
  CHECK(c.routes[1].mailbox_schedule);
  CHECK_FALSE(c.queue.delay_warning);
  CHECK(c.queue.retry == std::vector<Duration>{1s});
  CHECK(c.delivery.timeouts.final == 2s);
  CHECK(c.delivery.timeouts.block == 3min);
  CHECK(c.dns.servers == std::vector<std::string>{"127.0.0.1:5353", "[::1]:53"});
  CHECK(c.workers.smtpd == 3);
}

TEST_CASE("networks hold addresses of both families") {
  struct Row {
    const char* network;
    const char* address;
    bool want;
  } rows[] = {
      {"127.0.0.0/8", "127.9.9.9", true},
      {"127.0.0.0/8", "128.0.0.1", false},
      {"127.0.0.0/8", "::ffff:127.0.0.1", true},
      {"10.0.0.0/7", "11.255.0.1", true},
      {"10.0.0.0/7", "12.0.0.1", false},
      {"::1", "::1", true},
      {"::1", "::2", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"192.0.2.1", "192.0.2.1", true},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"fe80::/10", "fe80::1%eth0", true},
      {"127.0.0.0/8", "not an address", false},
      {"127.0.0.0/8", "", false},
  };
  for (auto& row : rows) {
    INFO(row.network << " " << row.address);
    auto network = parse_network(row.network);
    REQUIRE(network);
    CHECK(contains(*network, row.address) == row.want);
  }
  for (const char* bad : {"", "10", "10.0.0.0/", "10.0.0.0/33", "::1/129", "10.0.0.0/-1", "a/8"})
    CHECK_FALSE(parse_network(bad));
}

TEST_CASE("load() and parse() of its bundle agree; a process sees only what it was given") {
  Folder folder;
  folder.put("users", "anna\n");
  std::string file = folder.put("p.toml",
                                "[[domain]]\nname = \"a.org\"\nrecipients = \"file:users\"\n"
                                "[auth]\nusers_file = \"gone\"\n");
  Loaded loaded = load(file);
  REQUIRE(loaded.diagnostics.size() == 1);
  CHECK(loaded.diagnostics[0].text() ==
        file + ":5:14: " + folder.path + "/gone: No such file or directory");
  CHECK(load_client(file).diagnostics.empty());
  CHECK(load_client(file).bundle.files.count("users") == 0);

  auto copy = decode_bundle(encode_bundle(loaded.bundle));
  REQUIRE(copy);
  CHECK(copy->files == loaded.bundle.files);
  Loaded again = parse(copy.take());
  CHECK(again.diagnostics.empty());
  CHECK(again.config.domains[0].allowed == loaded.config.domains[0].allowed);
  CHECK(again.config.hostname == loaded.config.hostname);

  std::string bytes = encode_bundle(loaded.bundle);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    CHECK_FALSE(decode_bundle(std::string_view(bytes).substr(0, cut)));
  CHECK_FALSE(decode_bundle(bytes + "x"));
}

TEST_CASE("the history is kept for a time, or not at all") {
  CHECK(config_of("[queue]\nhistory = \"90d\"").queue.history == 90 * 24h);
  CHECK(config_of("[queue]\nhistory = \"off\"").queue.history == 0h);
  CHECK(config_of("[queue]\nhistory = \"0s\"").queue.history == 0h);
}

TEST_CASE("a file that is not there") {
  Loaded loaded = load("/nonexistent/p.toml");
  REQUIRE(loaded.diagnostics.size() == 1);
  CHECK(loaded.diagnostics[0].text() == "/nonexistent/p.toml: No such file or directory");
}

TEST_CASE("edit distance") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("tls", "tls") == 0);
  CHECK(edit_distance("tsl", "tls") == 1);
  CHECK(edit_distance("adress", "address") == 1);
  CHECK(edit_distance("queue", "retry") == 5);
}

TEST_CASE(
    "S23: a route with a password verifies whom it gives it to, unless it says less by name") {
  struct Row {
    const char* lines;
    std::optional<mail::TlsLevel> want;
  };
  const Row rows[] = {
      {"deliver = \"smtp:h.test:587\"\nauth = \"me:file:secret\"", mail::TlsLevel::verify},
      {"deliver = \"mx\"\nauth = \"me:file:secret\"", mail::TlsLevel::verify},
      {"deliver = \"lmtp:h.test:24\"\nauth = \"me:file:secret\"", mail::TlsLevel::verify},
      {"deliver = \"smtp:h.test:587\"\nauth = \"me:command:/t\"", mail::TlsLevel::verify},
      {"deliver = \"smtp:h.test:587\"\nauth = \"me:file:secret\"\ntls = \"may\"",
       mail::TlsLevel::may},
      {"deliver = \"smtp:h.test:587\"\nauth = \"me:file:secret\"\nauth_without_tls = true",
       std::nullopt},
      {"deliver = \"smtp:h.test:587\"", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.lines);
    Config c =
        config_of("hostname = \"h.test\"\n[[route]]\nmatch = \"*\"\n" + std::string(row.lines),
                  {{"secret", "s3cret\n"}});
    REQUIRE(c.routes.size() == 1);
    CHECK(c.routes[0].tls == row.want);
  }
}
