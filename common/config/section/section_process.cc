// The top of the file, and the tables about processes: [users], [control], [workers], [metrics],
// [log].

#include <sched.h>

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/folder_clash.h"
#include "common/config/section/sections.h"
#include "common/mail/address_pattern.h"

namespace postwain::config {

namespace {

// A name as useradd(8) takes it; whether it exists is asked when it is needed, by the supervisor.
bool is_user_name(std::string_view text) {
  if (text.empty() || text.size() > 32 || is_digit(text.front()) || text.front() == '-')
    return false;
  for (char c : text)
    if (!is_alnum(c) && c != '_' && c != '-' && c != '.') return false;
  return true;
}

std::uint32_t cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint32_t>(CPU_COUNT(&set));
}

void read_names(Section& section, const std::string& host_name, Config& config) {
  config.hostname = host_name;
  std::string name;
  if (section.text("hostname", name)) {
    if (is_domain(name))
      config.hostname = mail::domain_key(name);  // it is said to peers, so it is ASCII
    else
      section.context().error(section.origin_of("hostname"),
                              fmt::format("'{}' is not a host name", printable(name)));
  }
  config.postmaster = "postmaster@" + config.hostname;
  if (section.text("postmaster", name)) {
    if (is_mailbox(name))
      config.postmaster = name;
    else
      section.context().error(section.origin_of("postmaster"),
                              fmt::format("'{}' is not an address", printable(name)));
  }
}

void read_directories(Section& section, Config& config) {
  constexpr std::size_t kRuntimeMax = 90;  // qmgr.sock below it must fit into a sockaddr_un
  Context& context = section.context();
  if (section.text("spool_dir", config.spool_dir))
    config.spool_dir = resolve_path(context.directory, config.spool_dir);
  config.drop_dir = config.spool_dir + "-drop";
  std::string drop;
  if (section.text("drop_dir", drop))
    config.drop_dir = drop == "off" ? std::string() : resolve_path(context.directory, drop);
  if (!section.text("runtime_dir", config.runtime_dir)) return;
  config.runtime_dir = resolve_path(context.directory, config.runtime_dir);
  if (config.runtime_dir.size() > kRuntimeMax)
    context.error(section.origin_of("runtime_dir"),
                  fmt::format("runtime_dir is too long for the sockets in it: {} characters, at "
                              "most {}",
                              config.runtime_dir.size(), kRuntimeMax));
}

void check_folders(Context& context, Config& config) {
  // place_of() looks at what was read so far.
  config.origins.swap(context.origins);
  std::vector<Diagnostic> clashes = folder_clashes(config, context.directory);
  config.origins.swap(context.origins);
  for (Diagnostic& one : clashes) context.diagnostics.push_back(std::move(one));
}

}  // namespace

void read_document(Context& context, const Node& document, const Machine& machine, Config& config) {
  Section top(context, document, "");
  top.find("include");  // done by include.h
  read_names(top, machine.host_name, config);
  read_directories(top, config);
  read_tls(context, top.table("tls"), config.tls);
  read_access(context, top.table("access"), config.access);
  read_auth(context, top.table("auth"), config.auth);
  if (config.auth.certificate_name != CertificateName::none && config.tls.client_ca.empty())
    context.error(top.table("auth")->origin,
                  "certificate_name needs client_ca in [tls], or anybody could name himself");
  read_rules(context, top.tables("rule"), config.rules);
  read_listeners(context, top.tables("listener"), config.tls, config.auth, config.listeners);
  read_filters(context, top.tables("filter"), config.listeners, config.filters);
  read_content_rules(context, top.tables("content_rule"), config.listeners, config.content_rules);
  read_strangers(context, top.table("strangers"), top.tables("dns_list"), config);
  read_authentication(context, top.table("authentication"), config);
  read_dkim_keys(context, top.tables("dkim_key"), config.dkim_keys);
  check_seal_key(context, config);
  read_limits(context, top.table("limits"), config.limits);
  read_domains(context, top.tables("domain"), config.domains);
  read_addresses(context, top.table("addresses"), config.hostname, machine.mail_name,
                 config.addresses);
  read_srs(context, top.table("srs"), config);
  read_routes(context, top.tables("route"), config.routes);
  read_queue(context, top.table("queue"), config.hostname, config.queue);
  check_database_sockets(context, config);
  read_bounces(context, top.table("bounces"), config.bounces);
  read_delivery(context, top.table("delivery"), config.delivery);
  read_dns(context, top.table("dns"), config.dns);
  read_tls_reports(context, top.table("tls_reports"), config);
  read_dmarc_reports(context, top.table("dmarc_reports"), config);
  for (const Route& route : config.routes)
    if (route.tls == mail::TlsLevel::dane && !config.dns.trust_ad)
      context.error(route.origin,
                    "tls = \"dane\" needs trust_ad = true in [dns], and servers that validate");
  read_users(context, top.table("users"), config.users);
  read_control(context, top.table("control"), config.control);
  read_workers(context, top.table("workers"), config.workers);
  read_metrics(context, top.table("metrics"), config.metrics_address);
  read_log(context, top.table("log"), config.log);
  read_sandbox(context, top.table("sandbox"), config.sandbox);
  read_expects(context, top.tables("expect"), config);
  check_folders(context, config);
  advise(context, config);
  top.finish();
}

void read_users(Context& context, const Node* table, Users& users) {
  if (table == nullptr) return;
  Section section(context, *table, "[users]");
  auto read = [&](std::string_view key, std::string& out) {
    std::string name;
    if (!section.text(key, name)) return;
    if (is_user_name(name))
      out = name;
    else
      context.error(section.origin_of(key),
                    fmt::format("'{}' is not a user name", printable(name)));
  };
  read("queue", users.queue);
  read("network", users.network);
  read("smtpd", users.smtpd);
  read("smtp_client", users.smtp_client);
  read("lmtp_client", users.lmtp_client);
  read("metrics", users.metrics);
  read("tokens", users.tokens);
  read("pickup", users.pickup);
  read("reporter", users.reporter);
  read("filter", users.filter);
  read("signer", users.signer);
  read("db_link", users.db_link);
  section.finish();
}

void read_control(Context& context, const Node* table, Control& control) {
  if (table == nullptr) return;
  Section section(context, *table, "[control]");
  for (const Node* one : section.texts("viewers", true)) {
    if (is_user_name(one->text))
      control.viewers.push_back(one->text);
    else
      section.error(*one, fmt::format("'{}' is not the name of a group", printable(one->text)));
  }
  control.origin = section.origin_of("viewers");
  section.finish();
}

void read_workers(Context& context, const Node* table, Workers& workers) {
  // One smtpd for every two cores: the other half is for qmgr, the delivery clients and the rest.
  workers.smtpd = std::clamp<std::uint32_t>(cores() / 2, 1, 8);
  if (table == nullptr) return;
  constexpr Range kCount{1, 64};
  Section section(context, *table, "[workers]");
  section.integer("smtpd", workers.smtpd, kCount);
  section.integer("smtp_client", workers.smtp_client, kCount);
  section.integer("lmtp_client", workers.lmtp_client, kCount);
  section.finish();
}

void read_metrics(Context& context, const Node* table, std::string& address) {
  if (table == nullptr) return;
  Section section(context, *table, "[metrics]");
  std::string text;
  std::string why;
  if (section.find("address") == nullptr) section.missing("address");
  if (section.text("address", text)) {
    if (parse_ip_port(text, 0, why))
      address = text;
    else
      context.error(section.origin_of("address"), fmt::format("address: {}", why));
  }
  section.finish();
}

void read_sandbox(Context& context, const Node* table, Sandbox& sandbox) {
  if (table == nullptr) return;
  Section section(context, *table, "[sandbox]");
  section.choice("mode", sandbox,
                 {{"on", Sandbox::on}, {"strict", Sandbox::strict}, {"off", Sandbox::off}});
  section.finish();
}

void read_log(Context& context, const Node* table, Log& log) {
  if (table == nullptr) return;
  Section section(context, *table, "[log]");
  section.choice("format", log.format, {{"text", LogFormat::text}, {"json", LogFormat::json}});
  section.choice("level", log.level,
                 {{"debug", LogLevel::debug},
                  {"info", LogLevel::info},
                  {"warning", LogLevel::warning},
                  {"error", LogLevel::error}});
  section.choice("to", log.target,
                 {{"stderr", LogTarget::standard_error},
                  {"syslog", LogTarget::syslog},
                  {"journal", LogTarget::journal}});
  if (section.text("socket", log.socket) && log.target == LogTarget::standard_error)
    section.context().error(section.origin_of("socket"),
                            "socket: only with to = \"syslog\" or to = \"journal\"");
  section.finish();
}

}  // namespace postwain::config
