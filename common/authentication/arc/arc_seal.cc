#include "common/authentication/arc/arc_seal.h"

#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/authentication/dkim/folded_field.h"
#include "common/authentication/dkim/header_list.h"
#include "common/authentication/dkim/signing_input.h"
#include "common/base/text.h"

namespace postwain::authentication::arc {

namespace {

using dkim::Canonical;

// One field: each line end in it folds.
bool is_one_field(std::string_view text) {
  for (std::size_t at = text.find_first_of("\r\n"); at != std::string_view::npos;
       at = text.find_first_of("\r\n", at + 3)) {
    std::string_view fold = text.substr(at, 3);
    if (fold != "\r\n " && fold != "\r\n\t") return false;
  }
  return true;
}

std::string_view text_of(ChainValue value) {
  switch (value) {
    case ChainValue::none:
      return "none";
    case ChainValue::pass:
      return "pass";
    case ChainValue::fail:
    case ChainValue::unknown:
      break;
  }
  return "fail";
}

void sign_behind(std::string& field, std::string_view signature) {
  field = dkim::finished_field({field, {}}, signature);
  field.resize(field.size() - 2);
}

// The next instance, and what is to be said of the chain before it.
struct Place {
  std::size_t instance = 1;
  ChainValue chain = ChainValue::none;
};
Result<Place> place_of(const ArcSets& sets, ArcVerdict verified) {
  if (sets.sets.empty()) return Place{};
  if (sets.sets.size() >= kSetsMax) return Error{"the message has as many ARC sets as it may have"};
  if (sets.sets.back().chain == ChainValue::fail)
    return Error{"the ARC chain was sealed as broken before"};
  bool whole = verified == ArcVerdict::pass && sets.trouble.empty();
  return Place{sets.sets.size() + 1, whole ? ChainValue::pass : ChainValue::fail};
}

// RFC 8617 4.1.2: what DKIM signs, and its signatures, which the next host is to find as they were.
dkim::FieldChoice fields_of_message() {
  dkim::FieldChoice choice;
  choice.signatures = true;
  return choice;
}

}  // namespace

Result<ArcSeal> ArcSeal::begin(std::string_view header, ArcVerdict verified,
                               std::string_view results, const dkim::KeyFacts& key, WallTime now) {
  dkim::HeaderList list(header);
  ArcSets sets = collect_sets(list);
  auto place = place_of(sets, verified);
  if (!place) return place.error();
  auto names = dkim::fields_to_sign(list, fields_of_message());
  if (!names) return names.error();
  auto written = dkim::key_as_written(key);
  if (!written) return written.error();
  if (!is_one_field(results)) return Error{"the results to be sealed are more than one field"};
  ArcSeal seal;
  seal.instance_ = place->instance;
  seal.chain_ = place->chain;
  seal.key_ = written.take();
  seal.time_ = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  seal.names_ = names.take();
  add_signed_fields(seal.message_sum_, list, seal.names_, Canonical::relaxed, std::nullopt);
  seal.body_ = seal.bodies_.want({Canonical::relaxed, std::nullopt});
  seal.results_ = fmt::format("{}: i={}; {}", kResultsField, seal.instance_, trim(results));
  // A seal of a broken chain is of its own set alone (RFC 8617 5.1.2).
  if (seal.chain_ == ChainValue::pass)
    for (const ArcSet& set : sets.sets)
      seal.seal_input_.add({list.fields()[set.results].text, list.fields()[set.message].text,
                            list.fields()[set.seal].text});
  return seal;
}

// The field up to its own tags.
dkim::FoldedField ArcSeal::begun(std::string_view name) const {
  dkim::FoldedField field(name);
  field.add(fmt::format("i={};", instance_));
  field.add(fmt::format("a={};", name_of(key_.algorithm)));
  field.add(fmt::format("d={};", key_.domain));
  field.add(fmt::format("s={};", key_.selector));
  field.add(fmt::format("t={};", time_));
  return field;
}

std::string ArcSeal::end_body() {
  bodies_.end();
  dkim::FoldedField field = begun(kMessageField);
  field.add("c=relaxed/relaxed;");
  field.add_list("h", names_);
  field.add(fmt::format("bh={};", base64_encode(bodies_.hash(body_))));
  field.add("b=");
  message_ = field.text();
  message_sum_.take(dkim::canonical_field(Canonical::relaxed, message_));
  return message_sum_.finish();
}

std::string ArcSeal::seal_hash(std::string_view message_signature) {
  sign_behind(message_, message_signature);
  dkim::FoldedField field = begun(kSealField);
  field.add(fmt::format("cv={};", text_of(chain_)));
  field.add("b=");
  seal_ = field.text();
  return seal_input_.hash_for({results_, message_, {}}, seal_);
}

std::string ArcSeal::finish(std::string_view seal_signature) const {
  std::string seal = seal_;
  sign_behind(seal, seal_signature);
  return seal + "\r\n" + message_ + "\r\n" + results_ + "\r\n";
}

}  // namespace postwain::authentication::arc
