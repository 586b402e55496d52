// What a filter said of a message, as `postwain trace` shows it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace postwain::tool {

// A line for each element of the member "judgements" of an answer about one message or one refused
// attempt, without its end; nothing where the member is not there.
// "filter rspamd at end of message: refuse 554 5.7.1 "Spam" score 17.2/15 (BAYES_SPAM 5.1) 184 ms".
std::string judgement_lines(const nlohmann::ordered_json& message);

}  // namespace postwain::tool
