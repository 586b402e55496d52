// One question handed to c-ares, by whichever of its interfaces the installed version wants.
// c-ares 1.28 and later take a question as a record of their own type, and mark the older functions
// as deprecated; Debian 12 has 1.18, which knows the older ones alone. Nothing else of ours differs
// between the two.
#pragma once

#include <ares.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/dns/answer.h"

namespace postwain::dns {

struct QuestionForm {
  const std::string& name;  // in ASCII
  RecordType type;
  std::uint16_t id;  // must not be guessed; later versions of c-ares choose it themselves
  bool edns;         // with the OPT record of RFC 6891
  bool wants_ad;     // asks for the AD bit of the answer (RFC 6840 5.7)
};

// What passes everywhere without fragments, in octets.
constexpr int kUdpMax = 1232;

// status: ARES_SUCCESS, or the error of c-ares. message: the answer as it stands on the wire, which
// may be empty; it is valid during the call only.
using OnAnswer = void (*)(void* argument, int status, std::string_view message) noexcept;

// Calls done exactly once with the argument: later, or at once where the question cannot be asked,
// or with ARES_EDESTRUCTION when the channel ends.
void send_question(ares_channel channel, const QuestionForm& question, OnAnswer done,
                   void* argument);

// Whether names can be asked for that are no host names (is_question_name()). Versions from 1.28 on
// take none but host names, whatever their answers may hold: such a question ends with
// ARES_EBADNAME, and the resolver says that there is no such name.
bool asks_any_name();

// Sets what newer versions of c-ares would otherwise decide for us: the answers are kept by our own
// cache, so theirs is off, and each question has a port of its own (1.20 and up; before, questions
// that are under way together share one). Returns the flags of the options that it set.
int set_newer_options(ares_options& options);

}  // namespace postwain::dns
