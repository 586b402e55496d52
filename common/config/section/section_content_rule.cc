// [[content_rule]]: patterns in header fields and bodies, and what follows.

#include <map>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

constexpr std::size_t kRuleTextMax = 400;
constexpr std::string_view kPartPrefix = "part:";

// What an action needs beside the match.
enum class Needs : std::uint8_t { nothing, text, field, address, value };

Needs needs_of(ContentAction action) {
  switch (action) {
    case ContentAction::refuse:
    case ContentAction::defer:
    case ContentAction::hold:
    case ContentAction::warn:
      return Needs::text;
    case ContentAction::prepend:
      return Needs::field;
    case ContentAction::redirect:
    case ContentAction::bcc:
      return Needs::address;
    case ContentAction::replace:
      return Needs::value;
    case ContentAction::discard:
    case ContentAction::remove:
      break;
  }
  return Needs::nothing;
}

void read_rule_field(Section& section, ContentRule& rule) {
  const Node* node = section.find("field", Node::Kind::string);
  if (section.find("field") == nullptr) section.missing("field");
  if (node == nullptr) return;
  rule.field = node->text;
  if (rule.field == "body") {
    rule.place = ContentPlace::body;
    return;
  }
  if (rule.field.compare(0, kPartPrefix.size(), kPartPrefix) == 0) {
    rule.place = ContentPlace::part;
    rule.field.erase(0, kPartPrefix.size());
  }
  if (rule.field != "*" && !is_field_name(rule.field))
    section.error(*node,
                  fmt::format("field must be the name of a header field, \"*\", \"body\", or "
                              "\"part:\" and a name, not '{}'",
                              printable(node->text)));
}

void read_rule_pattern(Section& section, ContentRule& rule) {
  if (section.find("pattern") == nullptr) section.missing("pattern");
  section.text("pattern", rule.pattern);
  rule.pattern_origin = section.origin_of("pattern");
}

// It is said to clients and written into fields.
bool is_one_line(const std::string& text) {
  return text.size() <= kRuleTextMax && is_ascii(text) && printable(text) == text;
}

void read_rule_action(Section& section, ContentRule& rule) {
  if (section.find("action") == nullptr) section.missing("action");
  section.choice("action", rule.action,
                 {{"refuse", ContentAction::refuse},
                  {"defer", ContentAction::defer},
                  {"hold", ContentAction::hold},
                  {"discard", ContentAction::discard},
                  {"prepend", ContentAction::prepend},
                  {"redirect", ContentAction::redirect},
                  {"bcc", ContentAction::bcc},
                  {"remove", ContentAction::remove},
                  {"replace", ContentAction::replace},
                  {"warn", ContentAction::warn}});
  bool on_field = rule.action == ContentAction::remove || rule.action == ContentAction::replace;
  if (on_field && rule.place != ContentPlace::header)
    section.error(
        *section.find("action"),
        fmt::format("{} is for fields of the message's header section only", name_of(rule.action)));
}

void read_rule_words(Section& section, ContentRule& rule) {
  Needs needs = needs_of(rule.action);
  bool has_text = section.text("text", rule.text);
  bool has_value = section.text("value", rule.value);
  const Node* text = section.find("text");
  const Node* value = section.find("value");
  if (text != nullptr && needs != Needs::text)
    section.error(*text, fmt::format("{} needs no text", name_of(rule.action)));
  if (value != nullptr && (needs == Needs::text || needs == Needs::nothing))
    section.error(*value, fmt::format("{} needs no value", name_of(rule.action)));
  if (has_text && !is_one_line(rule.text))
    section.error(*text, fmt::format("text must be ASCII of at most {} characters", kRuleTextMax));
  if (needs == Needs::text || needs == Needs::nothing) return;
  if (value == nullptr) return section.missing("value");
  if (!has_value) return;
  if (!is_one_line(rule.value))
    section.error(*value,
                  fmt::format("value must be ASCII of at most {} characters", kRuleTextMax));
  else if (needs == Needs::field && !is_one_line_field(rule.value))
    section.error(*value, "prepend puts a field in front: value must be \"Name: text\"");
  else if (needs == Needs::address && !is_mailbox(rule.value))
    section.error(*value, fmt::format("'{}' is not an address", printable(rule.value)));
  else if (needs == Needs::value && trim(rule.value).empty())
    section.error(*value, "value is what the field says instead; remove takes the field out");
}

void read_rule_name(Section& section, std::map<std::string, Origin>& seen, ContentRule& rule) {
  if (!section.text("name", rule.name)) return;
  const Node& node = *section.find("name");
  if (!is_filter_name(rule.name))
    return section.error(node, "name must be 1 to 32 letters, digits, '-', '_' or '.'");
  auto [first, fresh] = seen.emplace(to_lower(rule.name), node.origin);
  if (!fresh)
    section.error(
        node, fmt::format("{} is already a content rule at {}", rule.name, first->second.text()));
}

}  // namespace

void read_content_rules(Context& context, const std::vector<const Node*>& tables,
                        const std::vector<Listener>& listeners, std::vector<ContentRule>& rules) {
  if (tables.size() > kContentRulesMax)
    return context.error(tables[kContentRulesMax]->origin,
                         fmt::format("more than {} content rules", kContentRulesMax));
  std::map<std::string, Origin> seen;
  for (const Node* table : tables) {
    Section section(context, *table, "[[content_rule]]");
    ContentRule rule;
    rule.origin = table->origin;
    read_rule_name(section, seen, rule);
    read_rule_field(section, rule);
    read_rule_pattern(section, rule);
    read_rule_action(section, rule);
    read_rule_words(section, rule);
    if (section.size("depth", rule.depth, {1, kContentDepthMax}) &&
        rule.place != ContentPlace::body)
      section.error(*section.find("depth"), "depth is for rules on the body only");
    read_on(section, listeners, rule.on);
    if (is_on(rule.on, kOnNotices))
      section.error(*section.find("on"), "on: no content rule is asked about notices of our own");
    section.choice("mode", rule.mode,
                   {{"enforce", FilterMode::enforce}, {"watch", FilterMode::watch}});
    section.finish();
    rules.push_back(std::move(rule));
  }
}

}  // namespace postwain::config
