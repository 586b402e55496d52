// A message before content rules: the same rules match, in the same order, however its body is cut;
// what follows of them names no field that is not there. Rules are fixed, since their patterns are
// the operator's.
//
// The input: how many sizes of pieces there are, so many octets with the sizes, used in turn, and
// the message, whose header section ends at the first empty line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "common/content/header_edits.h"
#include "common/content/header_form.h"
#include "common/pattern/pattern.h"
#include "filter/deciding/content_matcher.h"

using namespace postwain;
using namespace postwain::filter;
using config::ContentAction;
using config::ContentPlace;

namespace {

constexpr std::uint64_t kDepth = 300;  // so that inputs go beyond it

CompiledRule rule(ContentPlace place, const char* field, const char* pattern, ContentAction action,
                  std::uint64_t depth = kDepth) {
  config::ContentRule out;
  out.name = pattern;
  out.place = place;
  out.field = field;
  out.pattern = pattern;
  out.action = action;
  out.value = action == ContentAction::prepend ? "X-Found: yes" : "someone@sender.example";
  out.depth = depth;
  auto compiled = pattern::Pattern::compile(pattern);
  PW_CHECK(compiled);
  return {out, compiled.take()};
}

const std::vector<CompiledRule>& rules() {
  static const std::vector<CompiledRule> all = [] {
    std::vector<CompiledRule> out;
    out.push_back(rule(ContentPlace::header, "Subject", "sale|^$", ContentAction::hold));
    out.push_back(rule(ContentPlace::header, "*", "^x-[a-z]+: *[0-9]", ContentAction::remove));
    out.push_back(rule(ContentPlace::header, "Received", ".", ContentAction::replace));
    out.push_back(
        rule(ContentPlace::part, "Content-Type", "name *= *\"?[^;]*exe", ContentAction::prepend));
    out.push_back(rule(ContentPlace::part, "*", "base64", ContentAction::bcc));
    out.push_back(rule(ContentPlace::body, "", "unsubscribe|^--", ContentAction::warn));
    out.push_back(rule(ContentPlace::body, "", "a$", ContentAction::redirect, 60));
    out.push_back(rule(ContentPlace::body, "", "^(b|cc)*d$", ContentAction::refuse, 100'000));
    return out;
  }();
  return all;
}

std::vector<RuleMatch> matches(const std::vector<std::string_view>& fields, std::string_view body,
                               std::string_view sizes) {
  std::vector<const CompiledRule*> pointers;
  for (const CompiledRule& one : rules()) pointers.push_back(&one);
  ContentMatcher matcher(pointers);
  matcher.header(fields);
  for (std::size_t i = 0; !body.empty(); ++i) {
    std::size_t size = body.size();
    if (!sizes.empty()) size = static_cast<unsigned char>(sizes[i % sizes.size()]) + 1U;
    matcher.body(body.substr(0, size));
    body.remove_prefix(std::min(size, body.size()));
  }
  matcher.finish();
  return matcher.matches();
}

void check(const std::vector<RuleMatch>& found, std::size_t fields) {
  PW_CHECK(found.size() <= kFieldMatchesMax + rules().size());
  ContentDecision decision = decide(found, {"<a@sender.example>", "<b@sender.example>"});
  for (const milter::Edit& edit : decision.edits)
    if (edit.kind == milter::Edit::Kind::change_header)
      PW_CHECK(edit.index >= 1 && edit.index <= fields);
  PW_CHECK(decision.verdict == ipc::FilterVerdict::keep_going || decision.edits.empty());
  PW_CHECK(text_of(found).empty() == found.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  std::string_view sizes = input.substr(1, static_cast<unsigned char>(input.front()) % 16);
  std::string_view message = input.substr(1 + sizes.size());
  std::size_t from = 0;
  mail::HeaderEnd end = mail::find_header_end(message, from, true);
  mail::HeaderEdits section(message.substr(0, end.header), 0);
  std::vector<std::string_view> fields = section.shown();
  std::string_view body = message.substr(end.body);
  std::vector<RuleMatch> whole = matches(fields, body, {});
  std::vector<RuleMatch> cut = matches(fields, body, sizes);
  PW_CHECK(whole.size() == cut.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    PW_CHECK(whole[i].rule == cut[i].rule && whole[i].index == cut[i].index);
    PW_CHECK(whole[i].field == cut[i].field);
  }
  check(whole, fields.size());
  return 0;
}
