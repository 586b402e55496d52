// [[expect]]: a configuration's own tests.
#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address.h"

namespace postwain::config {

namespace {

constexpr std::size_t kSignsMax = 5;  // that weigh for one client, beside lists

bool is_recipient(const std::string& text) {
  return is_mailbox(text) || iequals(text, "postmaster");
}

void read_expected_filters(Section& section, const std::vector<Filter>& filters, Expect& expect) {
  if (section.find("filters") == nullptr) return;
  std::vector<std::string>& expected = expect.filters.emplace();
  for (const Node* node : section.texts("filters", true)) {
    bool known = std::any_of(filters.begin(), filters.end(),
                             [&](const Filter& one) { return one.name == node->text; });
    if (!known)
      section.error(
          *node, fmt::format("filters: '{}' is the name of no [[filter]]", printable(node->text)));
    expected.push_back(node->text);
  }
}

void read_expected_keys(Section& section, const std::vector<DkimKey>& keys, Expect& expect) {
  if (section.find("signed_by") == nullptr) return;
  std::vector<std::string>& expected = expect.signed_by.emplace();
  for (const Node* node : section.texts("signed_by", true)) {
    std::string name = mail::domain_key(node->text);
    bool known = std::any_of(keys.begin(), keys.end(), [&](const DkimKey& key) {
      return key.record_name() == name || key.domain == name;
    });
    if (!known)
      section.error(*node,
                    fmt::format("signed_by: '{}' is neither domain nor selector._domainkey.domain "
                                "of a [[dkim_key]]",
                                printable(node->text)));
    expected.push_back(std::move(name));
    expect.signed_by_at.push_back(node->origin);
  }
}

void read_client_facts(Section& section, const Strangers& strangers, Expect& expect) {
  for (const Node* node : section.texts("dns_lists", true)) {
    bool known = std::any_of(strangers.lists.begin(), strangers.lists.end(),
                             [&](const DnsList& one) { return one.label == node->text; });
    if (!known)
      section.error(*node, fmt::format("dns_lists: '{}' is the label of no [[dns_list]]",
                                       printable(node->text)));
    bool twice = std::find(expect.dns_lists.begin(), expect.dns_lists.end(), node->text) !=
                 expect.dns_lists.end();
    if (known && !twice) expect.dns_lists.push_back(node->text);
  }
  section.boolean("forged_name", expect.forged_name);
  if (expect.forged_name && !expect.client_name.empty())
    section.context().error(section.origin_of("forged_name"),
                            "forged_name and client_name exclude each other: a client_name is one "
                            "that the DNS confirms");
  section.boolean("pregreet", expect.pregreet);
}

void read_stranger(Section& section, const Strangers& strangers, Expect& expect) {
  if (!strangers.wanted)
    for (const char* key : {"dns_lists", "forged_name", "pregreet", "score", "then"})
      if (section.find(key) != nullptr)
        section.context().error(section.origin_of(key),
                                fmt::format("{} is for a configuration with [strangers] or "
                                            "[[dns_list]]",
                                            key));
  read_client_facts(section, strangers, expect);
  constexpr std::int64_t kScoreMax = kWeightMax * std::int64_t{kDnsListsMax + kSignsMax};
  if (const Node* node = section.find("score", Node::Kind::integer)) {
    if (node->integer >= -kScoreMax && node->integer <= kScoreMax)
      expect.score = static_cast<std::int32_t>(node->integer);
    else
      section.error(*node, fmt::format("score is between {} and {}", -kScoreMax, kScoreMax));
  }
  section.choice<std::string>(
      "then", expect.then, {{"accept", "accept"}, {"greylist", "greylist"}, {"refuse", "refuse"}});
}

}  // namespace

void read_expects(Context& context, const std::vector<const Node*>& tables, Config& config) {
  for (const Node* table : tables) {
    Section section(context, *table, "[[expect]]");
    Expect expect;
    expect.origin = table->origin;
    if (section.text("recipient", expect.recipient)) {
      if (!is_recipient(expect.recipient))
        context.error(section.origin_of("recipient"),
                      fmt::format("'{}' is not an address", printable(expect.recipient)));
    } else {
      section.missing("recipient");
    }
    if (section.text("from", expect.from)) {
      if (expect.from == "<>") expect.from.clear();
      if (!expect.from.empty() && !is_mailbox(expect.from))
        context.error(section.origin_of("from"),
                      fmt::format("'{}' is not an address", printable(expect.from)));
    }
    if (section.text("client", expect.client) && !parse_network(expect.client))
      context.error(section.origin_of("client"),
                    fmt::format("'{}' is not an IP address", printable(expect.client)));
    section.text("client_name", expect.client_name);
    section.text("helo", expect.hello);
    section.text("account", expect.account);
    section.boolean("submission", expect.submission);
    if (!section.choice<std::string>(
            "decision", expect.decision,
            {{"accept", "accept"}, {"refuse", "refuse"}, {"defer", "defer"}}) &&
        section.find("decision") == nullptr)
      section.missing("decision");
    section.text("route", expect.route);
    read_expected_filters(section, config.filters, expect);
    read_expected_keys(section, config.dkim_keys, expect);
    read_stranger(section, config.strangers, expect);
    section.finish();
    config.expects.push_back(std::move(expect));
  }
}

}  // namespace postwain::config
