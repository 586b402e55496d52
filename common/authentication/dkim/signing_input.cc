#include "common/authentication/dkim/signing_input.h"

namespace postwain::authentication::dkim {

void add_signed_fields(tls::Sha256& sum, const HeaderList& header,
                       const std::vector<std::string>& names, Canonical form,
                       std::optional<std::size_t> place) {
  FieldSelection selection(header, place);
  for (const std::string& name : names) {
    auto field = selection.next(name);
    if (!field) continue;
    sum.take(canonical_field(form, *field));
    sum.take("\r\n");
  }
}

std::string signing_hash(const HeaderList& header, const std::vector<std::string>& names,
                         Canonical form, std::string_view own, std::optional<std::size_t> place) {
  tls::Sha256 sum;
  add_signed_fields(sum, header, names, form, place);
  sum.take(canonical_field(form, own));
  return sum.finish();
}

}  // namespace postwain::authentication::dkim
