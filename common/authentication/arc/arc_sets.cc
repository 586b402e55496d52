#include "common/authentication/arc/arc_sets.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/authentication/dkim/tag_list.h"
#include "common/base/text.h"

namespace postwain::authentication::arc {

namespace {

constexpr std::size_t kInstanceDigitsMax = 2;

std::optional<std::size_t> read_instance(std::string_view value) {
  if (value.size() > kInstanceDigitsMax) return std::nullopt;
  auto number = parse_decimal<std::size_t>(value);
  if (!number || *number < 1 || *number > kSetsMax) return std::nullopt;
  return number;
}

// "i=1; …" of a field whose rest is no tag list (RFC 8617 4.1.1).
std::optional<std::size_t> instance_of_results(std::string_view value) {
  std::string_view tag = dkim::trim_fws(value.substr(0, value.find(';')));
  std::size_t equals = tag.find('=');
  if (equals == std::string_view::npos || dkim::trim_fws(tag.substr(0, equals)) != "i")
    return std::nullopt;
  return read_instance(dkim::trim_fws(tag.substr(equals + 1)));
}

std::optional<std::size_t> instance_of_tags(std::string_view value) {
  auto list = dkim::TagList::read(value);
  const dkim::Tag* tag = list ? list->find("i") : nullptr;
  return tag != nullptr ? read_instance(tag->value) : std::nullopt;
}

ChainValue chain_value_of(std::string_view value) {
  auto list = dkim::TagList::read(value);
  const dkim::Tag* tag = list ? list->find("cv") : nullptr;
  if (tag == nullptr) return ChainValue::unknown;
  if (iequals(tag->value, "none")) return ChainValue::none;
  if (iequals(tag->value, "pass")) return ChainValue::pass;
  return iequals(tag->value, "fail") ? ChainValue::fail : ChainValue::unknown;
}

struct FieldKind {
  std::string_view name;
  std::size_t ArcSet::*place;
  std::optional<std::size_t> (*instance)(std::string_view value);
};
constexpr std::array kKinds{FieldKind{kResultsField, &ArcSet::results, instance_of_results},
                            FieldKind{kMessageField, &ArcSet::message, instance_of_tags},
                            FieldKind{kSealField, &ArcSet::seal, instance_of_tags}};

// Puts the fields of one name into their sets. The trouble with them, or nothing.
std::string_view place_fields(const dkim::HeaderList& header, const FieldKind& kind,
                              std::vector<ArcSet>& sets) {
  std::span<const std::uint32_t> places = header.named(kind.name);
  if (places.size() > kSetsMax) return "there are too many ARC sets";
  if (places.size() != sets.size()) return "an ARC set lacks a field";
  std::array<bool, kSetsMax> seen{};
  for (std::uint32_t place : places) {
    auto instance = kind.instance(header.fields()[place].value);
    if (!instance) return "an ARC field has no right instance";
    if (*instance > sets.size()) return "an ARC set lacks a field";
    if (seen[*instance - 1]) return "an ARC set has a field twice";
    seen[*instance - 1] = true;
    sets[*instance - 1].*kind.place = place;
  }
  return {};
}

// The first sealer found no chain, each later one found it right (RFC 8617 5.2, step 3.3).
std::string_view trouble_with_values(const std::vector<ArcSet>& sets) {
  if (sets.back().chain == ChainValue::fail) return "the last sealer found the chain broken";
  for (std::size_t i = 0; i < sets.size(); ++i)
    if (sets[i].chain != (i == 0 ? ChainValue::none : ChainValue::pass))
      return "a seal does not say what it has to say of the chain";
  return {};
}

}  // namespace

ArcSets collect_sets(const dkim::HeaderList& header) {
  ArcSets out;
  std::size_t count = 0;
  for (const FieldKind& kind : kKinds) count = std::max(count, header.named(kind.name).size());
  if (count == 0) return out;
  out.sets.resize(std::min(count, kSetsMax));
  for (const FieldKind& kind : kKinds)
    if (out.trouble.empty()) out.trouble = place_fields(header, kind, out.sets);
  if (!out.trouble.empty()) return out;
  for (ArcSet& set : out.sets) set.chain = chain_value_of(header.fields()[set.seal].value);
  out.trouble = trouble_with_values(out.sets);
  return out;
}

}  // namespace postwain::authentication::arc
