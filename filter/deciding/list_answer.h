// What a DNS list is asked, and what its answer means. Pure.
//
// An answer that is no listing is never taken for one: lists answer 127.255.255.x (and a few other
// codes) to whom they do not want to serve, and a resolver that rewrites answers gives addresses
// outside of 127.0.0.0/8 for everything. RFC 5782.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/strangers.h"
#include "common/dns/answer.h"
#include "common/ipc/list_state.h"

namespace postwain::filter {

using ipc::ListVerdict;

ListVerdict read_list_answer(const config::DnsList& list, dns::AnswerStatus status,
                             const std::vector<std::string>& addresses);

// The name that says whether the address (text, either family) is in the zone; empty for no
// address.
std::string list_question(std::string_view zone, const std::string& address);
// The same of a name; empty for none that can be asked for.
std::string name_question(std::string_view zone, std::string_view name);

// The questions of a health test (RFC 5782 5). A list is good when it has one of `listed` and none
// of `not_listed`.
struct ListTest {
  std::vector<std::string> listed;
  std::vector<std::string> not_listed;
};
ListTest test_of(const config::DnsList& list);

// What a list says of an entry, for the client: printable, without what could end a reply, cut.
std::string reason_text(const std::vector<std::string>& texts);

}  // namespace postwain::filter
