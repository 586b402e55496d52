#include "common/mail/reported/signing_record.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

constexpr std::array<std::string_view, 7> kSigningEnds = {
    "", "signed", "sealed", "no_key", "broken_chain", "unfit", "put_off"};

bool is_name(std::string_view text, std::size_t octets) {
  return !text.empty() && text.size() <= octets && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_sound_signature(const MadeSignature& one) {
  return is_name(one.domain, kSigningNameMax) && is_name(one.selector, kSigningNameMax) &&
         is_name(one.algorithm, kSigningAlgorithmMax);
}

// Up to the separator, which goes with it.
std::string_view cut_off(std::string_view& rest, char separator) {
  std::string_view part = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

}  // namespace

std::string_view name_of(SigningEnd end) {
  return kSigningEnds[static_cast<std::size_t>(end)];
}

bool SigningRecord::is_sound() const {
  const bool is_seal = end == SigningEnd::sealed;
  const bool has_keys = is_seal || end == SigningEnd::made;
  const std::size_t most = is_seal ? 1 : kSigningRecordMax;
  return signatures.empty() != has_keys && signatures.size() <= most &&
         (instance != 0) == is_seal && instance <= kSealInstanceMax &&
         std::ranges::all_of(signatures, is_sound_signature) && text().size() <= kSigningTextMax;
}

std::string SigningRecord::text() const {
  std::string out(name_of(end));
  if (instance != 0) out += ':' + std::to_string(instance);
  for (const MadeSignature& one : signatures)
    out += ' ' + one.algorithm + ':' + one.selector + ':' + one.domain;
  return out;
}

SigningRecord SigningRecord::from_text(std::string_view text) {
  SigningRecord out;
  std::string_view head = cut_off(text, ' ');
  const auto* known = std::ranges::find(kSigningEnds, cut_off(head, ':'));
  if (known == kSigningEnds.end()) return {};
  out.end = static_cast<SigningEnd>(known - kSigningEnds.begin());
  if (!head.empty()) out.instance = parse_decimal<std::uint32_t>(head).value_or(0);
  while (!text.empty() && out.signatures.size() <= kSigningRecordMax) {
    std::string_view one = cut_off(text, ' ');
    MadeSignature made;
    made.algorithm = cut_off(one, ':');
    made.selector = cut_off(one, ':');
    made.domain = one;
    out.signatures.push_back(std::move(made));
  }
  return out.is_sound() ? out : SigningRecord{};
}

}  // namespace postwain::mail
