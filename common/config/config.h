// The configuration as values, already checked. interface.md and postwain.toml(5) are its manual.
// No parsing here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/rate_table.h"
#include "common/base/time.h"
#include "common/mail/approach.h"
#include "common/mail/next_hop.h"
#include "common/notice/dsn.h"
#include "common/sasl/users_file.h"

namespace postwain::config {

// Where in the configuration something stands: what `explain` and log lines name. line 0: a
// default.
struct Origin {
  std::string file;
  int line = 0;
  int column = 0;
  std::string text() const;  // "postwain.toml:12:1", "default"
};

enum class ListenerProtocol : std::uint8_t { smtp, submission, lmtp };
enum class ListenerTls : std::uint8_t { off, optional, required, implicit };

struct Listener {
  std::string host;  // "0.0.0.0", "::1"; empty for a Unix socket
  std::uint16_t port = 0;
  std::string unix_path;
  std::uint32_t unix_mode = 0666;  // of the socket's file,
  std::string unix_group;          // and its group; empty: ours
  ListenerProtocol protocol = ListenerProtocol::smtp;
  ListenerTls tls = ListenerTls::off;
  bool auth = false;
  bool auth_without_tls = false;
  bool proxy_protocol = false;
  std::vector<std::string> proxy_from;
  Origin origin;
  std::string name() const;  // "0.0.0.0:25", "[::1]:25", "unix:/path"
};

struct TlsPair {
  std::string certificate;  // paths; their bytes are in the bundle
  std::string key;
  Origin origin;
};

enum class TlsVersion : std::uint8_t { tls12, tls13 };

struct Tls : TlsPair {        // certificate and key: for clients that name no host, or another
  std::vector<TlsPair> more;  // chosen by the names they are made out for
  TlsVersion minimum = TlsVersion::tls12;
  std::string client_ca;  // path; whose client certificates are believed in what they name
};

struct Network {                // "127.0.0.0/8", "::1"
  std::uint8_t bytes[16] = {};  // IPv4 as v4-mapped
  int prefix = 128;             // of the 128 bits
  Origin origin;
};

// True when the address ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1") lies in the network; false
// for no address.
bool contains(const Network& network, const std::string& address);
std::optional<Network> parse_network(const std::string& text);

// Of a client certificate: 64 lower case hexadecimal digits, SHA-256 of its DER form.
struct Fingerprint {
  std::string sha256;
  Origin origin;
};
bool parse_fingerprint(std::string_view text, std::string& sha256);  // with or without colons

// What is asked of strangers besides a recipient of ours.
enum class ReverseDns : std::uint8_t { off, look, require };
enum class HelloCheck : std::uint8_t { any, syntax, qualified, resolves };
enum class SenderCheck : std::uint8_t { any, exists };
// Who may ask for delivery reports (RFC 3461): everybody, or whoever may relay.
enum class DsnFor : std::uint8_t { all, known };

struct Access {
  std::vector<Network> trusted_networks;
  std::vector<Fingerprint> trusted_certificates;
  std::vector<Network> xclient_from;
  std::vector<Network> xforward_from;
  ReverseDns reverse_dns = ReverseDns::off;  // at least look where a rule has client_names
  Origin reverse_dns_origin;
  HelloCheck hello = HelloCheck::syntax;
  Origin hello_origin;
  SenderCheck sender_domain = SenderCheck::any;
  Origin sender_domain_origin;
  DsnFor dsn = DsnFor::all;
  // Known clients may leave brackets and domains of addresses away.
  bool bare_addresses = false;
};

// As whom an account may send: any envelope sender, its own address, or what a file grants.
enum class Senders : std::uint8_t { any, own, listed };

struct SenderGrant {
  std::string account;
  std::vector<std::string> patterns;  // lower case: "user@domain", "domain", ".domain", "*"
};

// How much an account may send before its mail waits for an operator, or is refused.
enum class OverRate : std::uint8_t { hold, refuse };
struct SendingLimit {
  Rate messages;
  Rate recipients;
  OverRate over = OverRate::hold;
  Origin origin;
};
struct AccountLimit {  // [[auth.account]]
  std::vector<std::string> names;
  SendingLimit limit;
};

// AUTH EXTERNAL: which name in a client certificate that client_ca vouches for is the account.
enum class CertificateName : std::uint8_t { none, email, common_name };

struct CertificateAccount {  // [[auth.certificate]]: this one certificate, whoever signed it
  Fingerprint fingerprint;
  std::string account;
};

struct Auth {
  std::string users_file;
  std::vector<sasl::User> users;  // of users_file; only smtpd's bundle has it
  std::string dovecot_socket;
  Duration failure_delay = std::chrono::seconds(2);  // before the reply to a failed login
  std::uint32_t lockout_failures = 100;              // per client network, then AUTH gets 454;
  Duration lockout_period = std::chrono::hours(1);   // so many are forgiven again in that time
  Senders senders = Senders::any;
  std::vector<SenderGrant> grants;  // of the senders file; only smtpd's bundle has it
  Origin senders_origin;
  SendingLimit limit;  // of each account that is not in account_limits
  std::vector<AccountLimit> account_limits;
  CertificateName certificate_name = CertificateName::none;
  std::vector<CertificateAccount> certificates;
  bool external() const {
    return certificate_name != CertificateName::none || !certificates.empty();
  }
};

// discard: the client hears that its mail is taken, and nobody gets it.
enum class RuleAction : std::uint8_t { allow, refuse, defer, discard };

// [[rule]]: holds when each condition that is there holds; an empty list is no condition.
struct Rule {
  std::vector<Network> clients;
  std::vector<std::string> client_names;  // lower case: "name", ".domain", "unknown"
  std::vector<std::string> hellos;        // lower case: "name", ".domain"
  std::vector<std::string> senders;       // as in SenderGrant, and "<>"
  std::vector<std::string> recipients;    // the same
  RuleAction action = RuleAction::refuse;
  std::string text;
  Origin origin;
};

struct Limits {
  std::uint64_t message_size = 50ULL << 20;
  std::uint32_t recipients = 1000;
  std::uint32_t connections = 2000;
  std::uint32_t connections_per_ip = 50;
  Duration command_timeout = std::chrono::minutes(5);
  Duration data_timeout = std::chrono::minutes(3);
  std::uint32_t errors = 20;
  // Beyond so many Received fields, or so many of our own, a message is in a loop.
  std::uint32_t hops = 50;
  std::uint32_t own_hops = 5;
  // Of one client network (client_key in smtpd), but for trusted ones and accounts.
  std::uint32_t client_ipv4_prefix = 32;  // an IPv6 client is always its /64
  Rate client_connections;
  Rate client_messages;
  Rate client_recipients;
};

enum class RecipientCheck : std::uint8_t { any, probe, list };

// A domain we accept mail for from strangers.
struct Domain {
  std::vector<std::string> names;  // lower case: "example.org" or ".example.org" (any subdomain)
  RecipientCheck recipients = RecipientCheck::any;
  // list: local parts ("a") and whole addresses ("b@example.org"), local part and domain in lower
  // case.
  std::vector<std::string> allowed;
  Origin origin;
};

// What an address stands for: [addresses], postwain.toml(5).
struct AddressTarget {
  // "user@domain"; "@domain": the same local part there; "user" (aliases): the alias' own domain.
  std::string address;
  bool final = false;    // not looked up again
  bool discard = false;  // "/dev/null": thrown away; address is empty
};
struct AddressEntry {
  std::vector<AddressTarget> targets;  // none: a list without members
  Origin origin;
  std::string fault{};  // not empty: what stands there cannot be obeyed, and why; the rest is void
};
using AddressMap = std::unordered_map<std::string, AddressEntry>;  // keys in lower case

struct Addresses {
  std::string separator;                   // between user and tag; empty: tags mean nothing
  AddressMap sender_canonical;             // "user@domain", "@domain"; one target each
  AddressMap recipient_canonical;          // the same
  AddressMap virtual_addresses;            // the same, any number of targets
  AddressMap aliases;                      // local parts, of the alias domains
  std::vector<std::string> alias_domains;  // lower case
  std::string origin;                      // completes what local programs name without a domain
};

struct Route {
  std::vector<std::string> match;  // lower case domain, ".domain", "user@domain", "*"
  mail::NextHop deliver;
  std::optional<mail::TlsLevel> tls;  // absent: may for smtp and mx, off for lmtp
  std::vector<std::string> senders;   // patterns of the reverse-path; empty: any sender
  mail::Credential credential;
  mail::ClientCertificate certificate;
  mail::Family family = mail::Family::any;
  mail::AbilitySet avoid;
  std::optional<mail::NextHop> fallback;
  mail::TlsLevel fallback_tls = mail::TlsLevel::may;
  bool hold_in_doubt = false;     // in_doubt = "hold"
  std::uint32_t drain_count = 0;  // messages per drain_period after an outage; 0: no limit
  Duration drain_period{};
  bool store_schedule = false;   // retry = "store", default for lmtp
  mail::Bounds bounds;           // without the number of the route
  std::uint32_t recipients = 0;  // of one transaction; 0: default
  std::uint32_t rate_count = 0;  // messages per rate_period; 0: no limit
  Duration rate_period{};
  std::vector<std::string> sources;
  Origin origin;
};

struct Queue {
  Duration lifetime = std::chrono::hours(120);
  Duration bounce_lifetime = std::chrono::hours(48);
  std::optional<Duration> delay_warning = std::chrono::hours(4);
  std::vector<Duration> retry;  // parser fills the defaults of interface.md
  std::vector<Duration> retry_lmtp;
  double jitter = 0.1;
  Duration history = std::chrono::hours(14 * 24);
};

struct Bounces {
  std::uint64_t original_max = notice::kDsnQuoteDefault;
  bool double_bounces = false;
  std::shared_ptr<const notice::Words> words;  // never null behind the parser
};

struct DeliveryTimeouts {
  Duration connect = std::chrono::seconds(30);
  Duration greeting = std::chrono::minutes(5);
  Duration command = std::chrono::minutes(5);
  Duration data = std::chrono::minutes(2);
  Duration block = std::chrono::minutes(3);
  Duration final = std::chrono::minutes(10);
};

struct Delivery {
  std::uint16_t smtp_port = 25;
  bool allow_private_mx = false;
  bool sts = true;               // look at MTA-STS policies
  std::uint16_t sts_port = 443;  // where their hosts answer
  DeliveryTimeouts timeouts;
};

// [tls_reports]: how TLS went is told to the domains that ask for it (RFC 8460).
struct TlsReports {
  bool wanted = false;  // the table is there
  std::string organization;
  std::string contact;  // an address
  std::string from;     // an address
  std::string dkim_selector;
  std::string dkim_key;      // path as written; empty: reports by mail are not signed here
  std::string dkim_key_pem;  // its content, for the process that signs
  std::string folder;        // what is counted and what waits to be sent
  Duration spread = std::chrono::hours(4);  // reports of a day leave within this time behind it
  Origin origin;
};

struct Dns {
  std::vector<std::string> servers;  // "127.0.0.1:5353"; empty: /etc/resolv.conf
  bool trust_ad = false;             // their AD bit is believed: they validate (DNSSEC)
};

// Empty: nobody was named. network serves for whom no name of its own is given.
struct Users {
  std::string queue = "postwain";
  std::string network;
  std::string smtpd;
  std::string smtp_client;
  std::string lmtp_client;
  std::string metrics;
  std::string tokens;
  std::string pickup;
  std::string reporter;
  bool operator==(const Users&) const = default;
};

// Who else may give commands to the running Postwain.
struct Control {
  std::vector<std::string> viewers;  // groups whose members may look, and change nothing
  Origin origin;                     // of the list
};

// What keeps the processes from what they never do. strict: a call that is not foreseen ends the
// process instead of failing.
enum class Sandbox : std::uint8_t { on, strict, off };

enum class LogFormat : std::uint8_t { text, json };
enum class LogLevel : std::uint8_t { debug, info, warning, error };

enum class LogTarget : std::uint8_t { standard_error, syslog, journal };

struct Log {
  LogFormat format = LogFormat::text;
  LogLevel level = LogLevel::info;
  LogTarget target = LogTarget::standard_error;
  std::string socket;  // of the log daemon; empty: the usual one
};

struct Workers {  // [workers]: how many of each process
  std::uint32_t smtpd = 1;
  std::uint32_t smtp_client = 1;
  std::uint32_t lmtp_client = 1;
};

// [[expect]]: what the configuration is meant to do; `postwain check` compares (explanation.h).
struct Expect {
  std::string recipient;
  std::string from = "someone@sender.example";  // empty: the null reverse-path
  std::string client;
  std::string client_name;  // as the DNS confirms it; empty: not looked at
  std::string hello = "client.example";
  std::string account;
  std::string decision;  // accept, refuse or defer
  std::string route;     // the destination it goes to; empty: any
  Origin origin;
};

struct Config {
  std::string hostname;
  std::string postmaster;  // default postmaster@hostname
  std::string spool_dir = "/var/lib/postwain";
  std::string runtime_dir = "/run/postwain";
  std::vector<Listener> listeners;
  Tls tls;
  Access access;
  Auth auth;
  std::vector<Rule> rules;
  Limits limits;
  std::vector<Domain> domains;
  Addresses addresses;
  std::vector<Route> routes;
  Queue queue;
  Bounces bounces;
  Delivery delivery;
  Dns dns;
  TlsReports tls_reports;
  std::string drop_dir;  // where sendmail leaves messages while qmgr cannot be reached; empty: none
  Users users;
  Control control;
  Sandbox sandbox = Sandbox::on;
  Workers workers;
  std::string metrics_address;
  Log log;
  std::vector<Expect> expects;

  // Where each value that was given stands, by table and key; a table that may be repeated goes by
  // the text of its own origin. For telling which line decides, not for deciding.
  std::map<std::string, Origin> places;
  Origin place_of(std::string_view table, std::string_view key) const;  // line 0: nowhere

  std::string qmgr_socket() const { return runtime_dir + "/qmgr.sock"; }
};

}  // namespace postwain::config
