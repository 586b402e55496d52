// Tickets of a server's sessions, made and read with the keys of ticket_keys.h.
#pragma once

#include <memory>
#include <string_view>

#include "common/tls/ticket_keys.h"

struct ssl_ctx_st;

namespace postwain::tls {

// keys must outlive ctx. client_ca: PEM of the authorities whose client certificates count; tickets
// end with them. A session whose client showed a certificate is never taken up again from a ticket:
// its certificate is judged anew, with authority, chain and dates, in a whole handshake.
void serve_tickets(ssl_ctx_st* ctx, TicketKeys& keys, std::string_view client_ca);

}  // namespace postwain::tls
