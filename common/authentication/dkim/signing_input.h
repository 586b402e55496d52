// What a signature of a header section is made of (RFC 6376 3.7).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/canonical.h"
#include "common/authentication/dkim/header_list.h"
#include "common/tls/sha256.h"

namespace postwain::authentication::dkim {

// Gives the fields that the names mean to a sum, from the bottom up, each with its CRLF. place:
// where the signature's own field stands in the header, if it does; the names do not mean that.
void add_signed_fields(tls::Sha256& sum, const HeaderList& header,
                       const std::vector<std::string>& names, Canonical form,
                       std::optional<std::size_t> place);
// The SHA-256 hash of the fields that the names mean, and behind them of the signature's own field.
// own: the text of it without the signature (without_signature()).
std::string signing_hash(const HeaderList& header, const std::vector<std::string>& names,
                         Canonical form, std::string_view own, std::optional<std::size_t> place);

}  // namespace postwain::authentication::dkim
