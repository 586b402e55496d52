// What each table of the configuration means: node in, checked values out, mistakes into the
// context. postwain.toml(5) is the manual.
#pragma once

#include "common/config/config.h"
#include "common/config/section/section.h"

namespace postwain::config {

// What the machine itself says, for when the file says nothing.
struct Machine {
  std::string host_name;
  std::string mail_name;  // /etc/mailname; empty: there is none
};

// The whole document.
void read_document(Context& context, const Node& document, const Machine& machine, Config& config);

// Warns of values that are hardly meant; at the end, when all is read.
void advise(Context& context, Config& config);

void read_tls(Context& context, const Node* table, Tls& tls);
void read_listeners(Context& context, const std::vector<const Node*>& tables, const Tls& tls,
                    const Auth& auth, std::vector<Listener>& listeners);
void read_access(Context& context, const Node* table, Access& access);
void read_auth(Context& context, const Node* table, Auth& auth);
// The key `client` of a table.
void read_clients(Section& section, std::vector<Network>& clients);
void read_rules(Context& context, const std::vector<const Node*>& tables, std::vector<Rule>& rules);
// listeners: whose addresses may stand in `on`.
void read_filters(Context& context, const std::vector<const Node*>& tables,
                  const std::vector<Listener>& listeners, std::vector<Filter>& filters);
void read_dkim_keys(Context& context, const std::vector<const Node*>& tables,
                    std::vector<DkimKey>& out);
// Once [authentication] and [[dkim_key]] have been read.
void check_seal_key(Context& context, const Config& config);
void read_content_rules(Context& context, const std::vector<const Node*>& tables,
                        const std::vector<Listener>& listeners, std::vector<ContentRule>& rules);
// The key `on`, whose default is left alone; and what a filter, or a rule, may be called.
void read_on(Section& section, const std::vector<Listener>& listeners,
             std::vector<std::string>& on);
bool is_filter_name(std::string_view text);
void read_limits(Context& context, const Node* table, Limits& limits);
void read_domains(Context& context, const std::vector<const Node*>& tables,
                  std::vector<Domain>& domains);
// origin: of this machine's programs, as /etc/mailname says; empty: the hostname.
void read_addresses(Context& context, const Node* table, const std::string& hostname,
                    const std::string& origin, Addresses& addresses);
void read_routes(Context& context, const std::vector<const Node*>& tables,
                 std::vector<Route>& routes);
// hostname: its first label is the name of this machine in a database, where nothing else is given.
void read_queue(Context& context, const Node* table, const std::string& hostname, Queue& queue);
// The keys store, store_… and node of [queue].
void read_queue_store(Section& section, const std::string& hostname, QueueDatabase& store);
// After runtime_dir and [queue].
void check_database_sockets(Context& context, const Config& config);
void read_bounces(Context& context, const Node* table, Bounces& bounces);
void read_delivery(Context& context, const Node* table, Delivery& delivery);
// After the keys.
void read_tls_reports(Context& context, const Node* table, Config& config);
// After [authentication], [tls_reports] and the keys.
void read_dmarc_reports(Context& context, const Node* table, Config& config);
// After the spool folder and the listeners.
void read_strangers(Context& context, const Node* table, const std::vector<const Node*>& lists,
                    Config& config);
// After the filters and the listeners.
void read_authentication(Context& context, const Node* table, Config& config);
// After the domains, the addresses and [authentication].
void read_srs(Context& context, const Node* table, Config& config);
void read_dns(Context& context, const Node* table, Dns& dns);
void read_users(Context& context, const Node* table, Users& users);
void read_control(Context& context, const Node* table, Control& control);
void read_workers(Context& context, const Node* table, Workers& workers);
void read_metrics(Context& context, const Node* table, std::string& address);
void read_log(Context& context, const Node* table, Log& log);
void read_sandbox(Context& context, const Node* table, Sandbox& sandbox);
// After filters and lists.
void read_expects(Context& context, const std::vector<const Node*>& tables, Config& config);

}  // namespace postwain::config
