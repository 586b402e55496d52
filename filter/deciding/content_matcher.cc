#include "filter/deciding/content_matcher.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/base/text.h"
#include "common/content/content_type.h"

namespace postwain::filter {

using config::ContentAction;
using config::ContentPlace;
using ipc::FilterVerdict;

namespace {

bool is_on_each_field(ContentAction action) {
  return action == ContentAction::remove || action == ContentAction::replace;
}

// One that is about MIME, and stands in the header section of the message as in that of a part.
bool is_mime_field(std::string_view name) {
  return istarts_with(name, "Content-") || iequals(name, "MIME-Version");
}

bool names(const config::ContentRule& rule, std::string_view field) {
  return rule.field == "*" || iequals(rule.field, field);
}

}  // namespace

ContentMatcher::ContentMatcher(std::vector<const CompiledRule*> rules)
    : rules_(std::move(rules)), found_(rules_.size(), false) {
  for (const CompiledRule* rule : rules_)
    if (rule->settings.place == ContentPlace::body) depth_ = std::max(depth_, rule->settings.depth);
}

bool ContentMatcher::wants_body() const {
  return std::any_of(rules_.begin(), rules_.end(), [](const CompiledRule* rule) {
    return rule->settings.place != ContentPlace::header;
  });
}

// The line ends of folds go, their white space stays (RFC 5322 2.2.3).
ContentMatcher::Field ContentMatcher::field_of(std::string_view text) {
  Field out;
  text = text.substr(0, kMatchedFieldMax);
  std::size_t colon = std::min(text.find(':'), text.size());
  out.name = trim(text.substr(0, colon));
  for (char c : text)
    if (c != '\r' && c != '\n') out.line += c;
  out.value = out.line.find_first_not_of(" \t", colon + 1);
  if (out.value == std::string::npos) out.value = out.line.size();
  return out;
}

void ContentMatcher::found(std::size_t rule, const std::string& field, std::uint32_t index) {
  if (matches_.size() >= kFieldMatchesMax + rules_.size()) return;
  found_[rule] = true;
  matches_.push_back({rules_[rule], field, index});
}

void ContentMatcher::match_field(std::size_t rule, const Field& field) {
  const CompiledRule& one = *rules_[rule];
  if (!names(one.settings, field.name)) return;
  std::string_view text = field.line;
  if (one.settings.field != "*") text.remove_prefix(field.value);
  if (one.pattern.matches(text)) found(rule, field.name, field.index);
}

void ContentMatcher::header(const std::vector<std::string_view>& fields) {
  std::vector<Field> all;
  std::map<std::string, std::uint32_t> counts;
  std::string content_type;
  for (std::string_view text : fields) {
    all.push_back(field_of(text));
    Field& field = all.back();
    field.index = ++counts[to_lower(field.name)];
    if (field.index == 1 && iequals(field.name, "Content-Type"))
      content_type = field.line.substr(field.value);
  }
  bool of_parts = false;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const config::ContentRule& rule = rules_[i]->settings;
    of_parts = of_parts || rule.place == ContentPlace::part;
    if (rule.place == ContentPlace::body) continue;
    for (const Field& field : all) {
      if (is_done(i) && !is_on_each_field(rule.action)) break;
      if (rule.place == ContentPlace::header || is_mime_field(field.name)) match_field(i, field);
    }
  }
  if (of_parts) parts_.emplace(content_type);
}

void ContentMatcher::match_part(std::string_view text) {
  if (text.empty()) return;
  Field field = field_of(text);
  for (std::size_t i = 0; i < rules_.size(); ++i)
    if (rules_[i]->settings.place == ContentPlace::part && !is_done(i)) match_field(i, field);
}

void ContentMatcher::match_line(const mail::LinePiece& line) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const CompiledRule& rule = *rules_[i];
    if (rule.settings.place != ContentPlace::body || is_done(i)) continue;
    if (seen_ < rule.settings.depth && rule.pattern.matches(line.text)) found(i, "body", 0);
  }
  seen_ += line.text.size() + (line.ends ? 2 : 0);
  if (parts_) match_part(parts_->take(line));
}

void ContentMatcher::body(std::string_view octets) {
  if (!parts_ && seen_ >= depth_) return;
  lines_.take(octets, [this](const mail::LinePiece& line) { match_line(line); });
}

void ContentMatcher::finish() {
  lines_.finish([this](const mail::LinePiece& line) { match_line(line); });
  if (parts_) match_part(parts_->finish());
}

// --- what follows --------------------------------------------------------------------------------

namespace {

std::optional<ContentDecision> verdict_of(const CompiledRule& rule) {
  const std::string& text = rule.settings.text;
  auto with = [&](FilterVerdict verdict, mail::Reply reply) {
    if (!text.empty()) reply.text = text;
    return ContentDecision{verdict, std::move(reply), &rule, {}};
  };
  switch (rule.settings.action) {
    case ContentAction::refuse:
      return with(FilterVerdict::refuse, {550, {5, 7, 1}, "refused because of its content"});
    case ContentAction::defer:
      return with(FilterVerdict::defer, {451, {4, 7, 1}, "try again later"});
    case ContentAction::discard:
      return ContentDecision{FilterVerdict::discard, {}, &rule, {}};
    default:
      return std::nullopt;
  }
}

struct EditMaker {
  const std::vector<std::string>& recipients;
  std::vector<milter::Edit> out{};
  std::vector<milter::Edit> of_fields{};
  bool redirected = false;
  std::uint32_t in_front = 0;

  // The field of a prepend, split: it is well-formed. They stand in the order of their rules.
  void prepend(const std::string& field) {
    std::size_t colon = field.find(':');
    out.push_back({milter::Edit::Kind::insert_header, ++in_front, field.substr(0, colon),
                   std::string(trim(std::string_view(field).substr(colon + 1)))});
  }

  void redirect(const std::string& address) {
    if (std::exchange(redirected, true)) return;
    for (const std::string& recipient : recipients)
      out.push_back({milter::Edit::Kind::delete_recipient, 0, recipient, {}});
    out.push_back({milter::Edit::Kind::add_recipient, 0, '<' + address + '>', {}});
  }

  // The first rule that matches a field decides what becomes of it.
  void change(const RuleMatch& match) {
    bool taken = std::any_of(of_fields.begin(), of_fields.end(), [&](const milter::Edit& edit) {
      return edit.index == match.index && iequals(edit.name, match.field);
    });
    if (!taken)
      of_fields.push_back({milter::Edit::Kind::change_header, match.index, match.field,
                           match.rule->settings.value});
  }

  void add(const RuleMatch& match) {
    const config::ContentRule& rule = match.rule->settings;
    switch (rule.action) {
      case ContentAction::hold:
        out.push_back({milter::Edit::Kind::quarantine,
                       0,
                       {},
                       rule.text.empty() ? rule.shown_name() : rule.text});
        break;
      case ContentAction::prepend:
        prepend(rule.value);
        break;
      case ContentAction::redirect:
        redirect(rule.value);
        break;
      case ContentAction::bcc:
        out.push_back(
            {milter::Edit::Kind::add_recipient, 0, '<' + rule.value + '>', "NOTIFY=NEVER"});
        break;
      case ContentAction::remove:
      case ContentAction::replace:
        change(match);
        break;
      default:
        break;
    }
  }

  // From the last one up, so that no index changes before it is used.
  std::vector<milter::Edit> take() {
    std::stable_sort(of_fields.begin(), of_fields.end(),
                     [](const auto& a, const auto& b) { return a.index > b.index; });
    out.insert(out.begin(), of_fields.begin(), of_fields.end());
    return std::move(out);
  }
};

}  // namespace

ContentDecision decide(const std::vector<RuleMatch>& matches,
                       const std::vector<std::string>& recipients) {
  EditMaker edits{recipients};
  for (const RuleMatch& match : matches) {
    if (match.rule->watched()) continue;
    if (auto verdict = verdict_of(*match.rule)) return *std::move(verdict);
    edits.add(match);
  }
  ContentDecision out;
  out.redirects = edits.redirected;
  out.edits = edits.take();
  return out;
}

std::string text_of(const std::vector<RuleMatch>& matches) {
  std::string out;
  const CompiledRule* last = nullptr;
  for (const RuleMatch& match : matches) {
    if (std::exchange(last, match.rule) == match.rule) continue;
    out += out.empty() ? "" : ", ";
    out += match.rule->settings.shown_name() + ": ";
    out += name_of(match.rule->settings.action);
    if (match.rule->watched()) out += " (watch)";
  }
  return out;
}

}  // namespace postwain::filter
