// What is asked of the DNS about a stranger ([access] reverse_dns, hello, sender_domain), and what
// the answers mean. An answer that could not be had never refuses for good. Pure: the asking is
// common/dns/client_lookups.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/config/config_fwd.h"
#include "common/config/table/listener.h"
#include "common/config/table/origin.h"
#include "common/dns/client_facts.h"
#include "common/mail/address.h"
#include "common/mail/reply.h"

namespace postwain::smtpd {

struct Objection {
  mail::Reply reply;
  const config::Origin* origin = nullptr;
  std::string_view reason;
};

// Whether a rule has client_name: then even a client we know waits for its name.
bool rules_ask_client(const config::Config& config);
// Whether filters hear of clients of this listener: then they are told the name at the connect.
bool filters_ask_client(const config::Config& config, const config::Listener& listener);
// Whether it has to be asked for this configuration.
bool asks_client(const config::Config& config);
bool asks_hello(const config::Config& config, std::string_view hello);
bool asks_sender(const config::Config& config, const mail::Address& sender);

// Of a stranger, at MAIL. client: plain_address().
std::optional<Objection> objection(const config::Config& config, const std::string& client,
                                   std::string_view hello, const dns::ClientFacts& facts);

}  // namespace postwain::smtpd
