// [[expect]]: a configuration's own tests.
#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

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

}  // namespace

void read_expects(Context& context, const std::vector<const Node*>& tables,
                  const std::vector<Filter>& filters, std::vector<Expect>& expects) {
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
    read_expected_filters(section, filters, expect);
    section.finish();
    expects.push_back(std::move(expect));
  }
}

}  // namespace postwain::config
