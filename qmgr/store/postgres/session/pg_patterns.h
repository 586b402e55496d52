// The texts of the statements on messages and on the server, before their lists of columns are
// filled in: words in braces stand for those, and for the arrays that fill them. Each function
// gives an empty text for what is not one of its own.
#pragma once

#include <string_view>

#include "qmgr/store/postgres/session/pg_statements.h"

namespace postwain::qmgr {

std::string_view pattern_of_compact(Pg statement);
std::string_view pattern_of_rows(Pg statement);
std::string_view pattern_of_scan(Pg statement);
std::string_view pattern_of_waiting(Pg statement);
std::string_view pattern_of_server(Pg statement);  // pg_durability.cc
std::string_view pattern_of_pieces(Pg statement);
std::string_view pattern_of_requests(Pg statement);        // pg_keeper_patterns.cc
std::string_view pattern_of_claims(Pg statement);          // pg_claim_patterns.cc
std::string_view pattern_of_paces(Pg statement);           // pg_claim_patterns.cc
std::string_view pattern_of_breakers(Pg statement);        // pg_keeper_patterns.cc
std::string_view pattern_of_history_blocks(Pg statement);  // pg_keeper_patterns.cc

// What stands for {referred} and {ours} in statements on pieces.
std::string_view words_of_referred();
std::string_view words_of_ours();

}  // namespace postwain::qmgr
