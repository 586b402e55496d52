// The operator's own rules ([[rule]]): who is refused or put off whatever relay control says. The
// first rule whose conditions all hold decides; `allow` ends the search and opens no way by itself.
// Pure: configuration in, the deciding rule out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/network.h"
#include "common/config/table/rule.h"
#include "common/mail/address.h"
#include "common/mail/reply.h"
#include "smtpd/acceptance/dns_checks.h"

namespace postwain::smtpd {

struct Presented {
  const std::string& client;  // plain_address(); a Unix socket counts as 127.0.0.1
  std::string_view hello;
  const mail::Address& sender;
  const mail::Address* recipient = nullptr;  // null: at MAIL
  const dns::ClientFacts* facts = nullptr;   // null: nobody has looked
};

// Null: no rule says anything, or (at MAIL) one that asks for the recipient comes first.
const config::Rule* deciding_rule(const std::vector<config::Rule>& rules,
                                  const Presented& presented);
// Of a rule that refuses or defers.
mail::Reply reply_of(const config::Rule& rule);

// Whether a client of that address (a Unix socket counts as 127.0.0.1) is of one of them.
bool lies_in(const std::vector<config::Network>& networks, const std::string& client);

}  // namespace postwain::smtpd
