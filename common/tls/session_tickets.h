// Tickets of a server's sessions, made and read with the keys of ticket_keys.h.
#pragma once

#include <memory>
#include <string_view>

#include "common/tls/ticket_keys.h"

struct ssl_ctx_st;

namespace postwain::tls {

// keys must outlive ctx.
void serve_tickets(ssl_ctx_st* ctx, TicketKeys& keys);

}  // namespace postwain::tls
