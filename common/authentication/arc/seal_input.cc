#include "common/authentication/arc/seal_input.h"

#include "common/authentication/dkim/canonical.h"

namespace postwain::authentication::arc {

namespace {

void take_line(tls::Sha256& sum, std::string_view field) {
  sum.take(dkim::canonical_field(dkim::Canonical::relaxed, field));
  sum.take("\r\n");
}

}  // namespace

std::string SealInput::hash_for(const SetTexts& texts, std::string_view own) const {
  tls::Sha256 sum = before_.copy();
  take_line(sum, texts.results);
  take_line(sum, texts.message);
  sum.take(dkim::canonical_field(dkim::Canonical::relaxed, own));
  return sum.finish();
}

void SealInput::add(const SetTexts& texts) {
  take_line(before_, texts.results);
  take_line(before_, texts.message);
  take_line(before_, texts.seal);
}

}  // namespace postwain::authentication::arc
