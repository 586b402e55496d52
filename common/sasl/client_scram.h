// SCRAM-SHA-256 (RFC 5802, 7677), client's side; part of client_exchange.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/sasl/client_exchange.h"

namespace postwain::sasl {

std::unique_ptr<ClientExchange> new_client_scram(bool plus, ClientLogin login);
// saslname of the gs2 header (RFC 5801 4).
std::string gs2_name(std::string_view name);

}  // namespace postwain::sasl
