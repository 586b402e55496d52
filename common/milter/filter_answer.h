// What a filter's packet says: a verdict, or one edit of the message. Nothing of it is believed
// before it is bounded here. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mail/reply.h"
#include "common/milter/packet.h"
#include "common/milter/protocol.h"

namespace postwain::milter {

constexpr std::size_t kReplyLinesMax = 32;
constexpr std::size_t kReplyLineMax =
    480;  // so that code and line fit into 512 (RFC 5321 4.5.3.1.5)
constexpr std::size_t kQuarantineTextMax = 200;

// One change that a filter asks for at the end of a message. Texts are octets as the filter sent
// them; what is made of folds in a value is header_edits.h's business.
struct Edit {
  enum class Kind : std::uint8_t {
    add_header,     // name, value: at the end of the section
    insert_header,  // index, name, value: from 0, before that field
    change_header,  // index, name, value: the index-th field of that name, from 1; empty: it goes
    replace_body,   // value: a piece of the new body
    add_recipient,  // name: address, value: its ESMTP arguments, one space between
    delete_recipient,
    change_sender,  // name: address, value: ESMTP arguments
    quarantine,     // value: why
  };
  Kind kind = Kind::add_header;
  std::uint32_t index = 0;
  std::string name;
  std::string value;
};
// With which of the bits of namespace action it is granted.
std::uint32_t action_of(Edit::Kind kind);

enum class Verdict : std::uint8_t {
  keep_going,  // no opinion yet; at the end of the message: it may pass
  accept,      // this filter wants to hear no more of the message, or of the session
  refuse,      // permanently, or with the reply's own code
  defer,
  discard,  // the client hears 250 and nothing is stored
  hang_up,  // 421, and the connection is closed
  skip,     // no more events of this kind
};

struct FilterAnswer {
  enum class Kind : std::uint8_t { verdict, edit, progress };
  Kind kind = Kind::verdict;
  Verdict verdict = Verdict::keep_going;
  mail::Reply reply;  // code 0: the filter gave none
  Edit edit;
};

// Nothing: no such answer, or its data cannot be read; why_not tells.
std::optional<FilterAnswer> read_answer(const Packet& packet, std::string& why_not);

// A reply as a filter may give it (SMFIR_REPLYCODE): one or several lines, each with the same code
// of 4yz or 5yz. "%%" stands for one "%"; control characters go; an enhanced code of another class,
// or none, becomes x.7.1. Nothing: it is none.
std::optional<mail::Reply> parse_reply(std::string_view text);

}  // namespace postwain::milter
