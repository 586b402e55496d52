// [[filter]]: the programs that are asked about mail while it is received: milters, policy
// services, Rspamd by HTTP.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/listener.h"

namespace postwain::config {

constexpr std::size_t kFiltersMax = 32;
constexpr std::uint32_t kSpareConnectionsMax = 50;
// Words of `on`: what sendmail and pickup submit; and the notices that qmgr writes.
constexpr std::string_view kOnLocal = "local";
constexpr std::string_view kOnNotices = "notices";

// Which protocol the filter understands.
enum class FilterProtocol : std::uint8_t { milter, policy, rspamd };
// The word of the configuration.
std::string_view name_of(FilterProtocol protocol);

// What becomes of a message whose filter cannot be reached, is too slow, or says nonsense.
enum class FilterFailure : std::uint8_t { accept, defer, refuse, hold };

// watch: the filter is asked and its answer written down, and nothing else follows from it.
enum class FilterMode : std::uint8_t { enforce, watch };

// When a policy service is asked.
enum class PolicyStage : std::uint8_t { connect, helo, mail, rcpt, data, end_of_message };
constexpr std::size_t kPolicyStages = 6;
// The word of the configuration.
std::string_view name_of(PolicyStage stage);

// strangers: clients that are neither trusted nor logged in.
enum class FilterClients : std::uint8_t { all, strangers };

// What a filter may do to a message; what it asks for besides is not done.
enum class FilterRight : std::uint8_t {
  headers,     // add, change and remove header fields
  body,        // replace the body
  recipients,  // add and remove recipients
  sender,      // change the reverse-path
  refuse,      // answer 5yz
  defer,       // answer 4yz
  discard,     // take the message and deliver it to nobody
  hold,        // keep it in the queue for an operator
};
constexpr std::size_t kFilterRights = 8;
// The word of the configuration.
std::string_view name_of(FilterRight right);

class FilterRights {
 public:
  constexpr FilterRights(std::initializer_list<FilterRight> rights = {}) {
    for (FilterRight right : rights) add(right);
  }
  constexpr bool has(FilterRight right) const { return (bits_ & bit(right)) != 0; }
  constexpr void add(FilterRight right) { bits_ = static_cast<std::uint8_t>(bits_ | bit(right)); }
  bool operator==(const FilterRights&) const = default;

 private:
  static constexpr unsigned bit(FilterRight right) { return 1U << static_cast<unsigned>(right); }
  std::uint8_t bits_ = 0;
};

// Where the filter listens.
struct FilterSocket {
  std::string unix_path;  // absolute; empty: host and port
  std::string host;       // an address without brackets, or a name that is looked up
  std::uint16_t port = 0;
  bool literal = false;      // host is an IP address
  std::string text() const;  // "unix:/path", "127.0.0.1:11332", "[::1]:11332"
};

struct FilterTimeouts {
  Duration connect = std::chrono::seconds(5);
  Duration reply = std::chrono::seconds(30);   // each answer; a sign of life begins it anew
  Duration message = std::chrono::minutes(5);  // all that is asked about one message
};

// Whether the words of a list `on` name that listener: by its kind, or by its name().
bool is_on(const std::vector<std::string>& on, const Listener& listener);
bool is_on(const std::vector<std::string>& on, std::string_view word);

struct Filter {
  std::string name;  // of this filter, in the log and in what operators see
  FilterProtocol speak = FilterProtocol::milter;
  FilterSocket socket;
  // Whose mail it is asked about: "world" and "submission" are kinds of listeners, kOnLocal and
  // kOnNotices what comes into being on this machine, everything else is the name() of a listener.
  std::vector<std::string> on = {"world"};
  std::vector<PolicyStage> stages = {PolicyStage::rcpt};  // of a policy service
  FilterClients clients = FilterClients::all;             // the same
  FilterTimeouts timeout;
  bool pipelining = true;               // a milter's answers are not awaited within the content
  std::uint32_t spare_connections = 0;  // to a milter, negotiated ahead of the sessions
  bool reuse = false;                   // a milter's connection serves one session after another
  FilterFailure on_failure = FilterFailure::defer;
  FilterMode mode = FilterMode::enforce;
  FilterRights may = {FilterRight::headers, FilterRight::refuse, FilterRight::defer,
                      FilterRight::hold};
  Origin origin;

  // Whether it is asked about mail that comes in there.
  bool is_on(const Listener& listener) const { return config::is_on(on, listener); }
  // Whether its `on` has that word.
  bool is_on(std::string_view word) const { return config::is_on(on, word); }
};

// "submission" for listeners of that protocol, where our own users bring mail; "world" for others.
std::string_view kind_of(const Listener& listener);

}  // namespace postwain::config
