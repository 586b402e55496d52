#include "common/notice/template.h"

#include "common/base/check.h"

#include "common/notice/shipped.h"
#include "common/notice/template_parser.h"

namespace postwain::notice {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Section::reason_first)>
    kSectionNames = {"language",
                     "subject.failed",
                     "subject.delayed",
                     "subject.success",
                     "subject.postmaster",
                     "opening",
                     "postmaster",
                     "failed",
                     "delayed",
                     "delivered",
                     "relayed",
                     "expanded",
                     "answer",
                     "note",
                     "original.whole",
                     "original.header",
                     "stage.connect",
                     "stage.tls",
                     "stage.greeting",
                     "stage.hello",
                     "stage.auth",
                     "stage.mail",
                     "stage.rcpt",
                     "stage.data",
                     "stage.content",
                     "stage.final"};

constexpr std::array<std::string_view, kVariables> kVariableNames = {
    "hostname",  "postmaster", "sender", "id",     "arrived",      "retry-until",
    "recipient", "domain",     "host",   "status", "last-attempt", "stage"};

std::vector<Template> parse_shipped() {
  std::vector<Template> out;
  for (const ShippedText& one : shipped_texts()) {
    std::vector<Mistake> mistakes;
    TemplateParser parser(one.text, mistakes);
    out.push_back(parser.run());
    parser.require_all();
    PW_CHECK(mistakes.empty());  // a unit test says where
  }
  return out;
}

const std::vector<Template>& all_shipped() {
  static const std::vector<Template> kAll = parse_shipped();
  return kAll;
}

}  // namespace

Section section_of(Reason reason) {
  return static_cast<Section>(static_cast<std::size_t>(Section::reason_first) +
                              static_cast<std::size_t>(reason));
}

Section section_of(mail::Stage stage) {
  switch (stage) {
    case mail::Stage::local:
    case mail::Stage::dns:
    case mail::Stage::connect:
      return Section::stage_connect;
    case mail::Stage::tls:
      return Section::stage_tls;
    case mail::Stage::greeting:
      return Section::stage_greeting;
    case mail::Stage::hello:
      return Section::stage_hello;
    case mail::Stage::auth:
      return Section::stage_auth;
    case mail::Stage::mail:
      return Section::stage_mail;
    case mail::Stage::rcpt:
      return Section::stage_rcpt;
    case mail::Stage::data:
      return Section::stage_data;
    case mail::Stage::content:
      return Section::stage_content;
    case mail::Stage::final_reply:
      return Section::stage_final;
  }
  return Section::stage_final;
}

std::string name_of(Section section) {
  auto number = static_cast<std::size_t>(section);
  if (section < Section::reason_first) return std::string(kSectionNames[number]);
  auto reason = static_cast<Reason>(number - static_cast<std::size_t>(Section::reason_first));
  return "reason." + std::string(name_of(reason));
}

std::string_view name_of(Variable variable) {
  return kVariableNames[static_cast<std::size_t>(variable)];
}

Template Template::parse(std::string_view text, std::vector<Mistake>& mistakes) {
  TemplateParser parser(text, mistakes);
  Template out = parser.run();
  if (!mistakes.empty()) return out;
  if (const Template* base = shipped(out.language_)) {
    for (std::size_t i = 0; i < kSections; ++i)
      if (out.sections_[i].empty()) out.sections_[i] = base->sections_[i];
  } else {
    parser.require_all();
  }
  return out;
}

const Template* Template::shipped(std::string_view language) {
  for (const Template& one : all_shipped())
    if (one.language_ == language) return &one;
  return nullptr;
}

const std::vector<std::string_view>& Template::shipped_languages() {
  static const std::vector<std::string_view> kLanguages = [] {
    std::vector<std::string_view> out;
    for (const Template& one : all_shipped()) out.push_back(one.language_);
    return out;
  }();
  return kLanguages;
}

std::string Template::fill(Section section, const Values& values) const {
  std::string out;
  for (const Piece& piece : sections_[static_cast<std::size_t>(section)]) {
    out += piece.literal;
    if (piece.has_variable) out += values[static_cast<std::size_t>(piece.variable)];
  }
  return out;
}

}  // namespace postwain::notice
