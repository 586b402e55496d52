// The configuration as values, already checked; a header in table/ for each table of the file.
// postwain.toml(5) is its manual. No parsing here.
//
// Who only passes a Config on declares it (config_fwd.h), and who needs one table includes that
// one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config_fwd.h"
#include "common/config/table/access.h"
#include "common/config/table/addresses.h"
#include "common/config/table/auth.h"
#include "common/config/table/authentication.h"
#include "common/config/table/content_rule.h"
#include "common/config/table/delivery.h"
#include "common/config/table/dkim_key.h"
#include "common/config/table/dmarc_reports.h"
#include "common/config/table/domain.h"
#include "common/config/table/expect.h"
#include "common/config/table/filter.h"
#include "common/config/table/limits.h"
#include "common/config/table/listener.h"
#include "common/config/table/log.h"
#include "common/config/table/network.h"
#include "common/config/table/origin.h"
#include "common/config/table/process.h"
#include "common/config/table/queue.h"
#include "common/config/table/route.h"
#include "common/config/table/rule.h"
#include "common/config/table/srs.h"
#include "common/config/table/strangers.h"
#include "common/config/table/tls_reports.h"

namespace postwain::config {

struct Config {
  Config();
  ~Config();
  Config(const Config&);
  Config(Config&&) noexcept;
  Config& operator=(const Config&);
  Config& operator=(Config&&) noexcept;

  std::string hostname;
  std::string postmaster;  // default postmaster@hostname
  std::string spool_dir = "/var/lib/postwain";
  std::string runtime_dir = "/run/postwain";
  std::vector<Listener> listeners;
  Tls tls;
  Access access;
  Auth auth;
  std::vector<Rule> rules;
  std::vector<Filter> filters;  // in the order in which they see a message
  std::vector<ContentRule> content_rules;
  Strangers strangers;  // [[dns_list]], too
  Authentication authentication;
  std::vector<DkimKey> dkim_keys;
  SrsRewriting srs;
  Limits limits;
  std::vector<Domain> domains;
  Addresses addresses;
  std::vector<Route> routes;
  Queue queue;
  Bounces bounces;
  Delivery delivery;
  Dns dns;
  TlsReports tls_reports;
  DmarcReports dmarc_reports;
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
  std::map<std::string, Origin> origins;
  Origin place_of(std::string_view table, std::string_view key) const;  // line 0: nowhere

  // Whether mail is judged by somebody: then there is a process for that.
  bool filters_mail() const {
    return !filters.empty() || !content_rules.empty() || strangers.wanted || authentication.wanted;
  }
  // Whether mail that leaves is signed: then there is a process that has the keys.
  bool signs_mail() const;
  // Whether the queue is in a database that is reached over the network: then there is a process
  // for the way to it.
  bool links_database() const { return queue.store.address && queue.store.address->over_network(); }
  std::string qmgr_socket() const { return runtime_dir + "/qmgr.sock"; }
};

}  // namespace postwain::config
