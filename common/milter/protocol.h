// The milter protocol, version 6, as Sendmail's libmilter and Postfix speak it. There is no RFC;
// the letters and bits are those of libmilter's mfdef.h. A packet is a length of four octets in
// network order, a command, and data; the length counts the command.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace postwain::milter {

constexpr std::uint32_t kVersion = 6;
constexpr std::uint32_t kOldestVersion = 2;
constexpr std::size_t kBodyChunkMax = 65535;
// Of a filter: one header field as large as a whole header section may be, and its frame.
constexpr std::size_t kReplyPacketMax = (1U << 20) + 4096;

// To the filter.
enum class Command : char {
  negotiate = 'O',
  macros = 'D',
  connect = 'C',
  helo = 'H',
  mail = 'M',
  rcpt = 'R',
  data = 'T',
  header = 'L',
  end_of_header = 'N',
  body = 'B',
  end_of_message = 'E',
  unknown = 'U',
  abort = 'A',
  quit = 'Q',
  quit_new_connection = 'K',
};

// From the filter.
enum class Answer : char {
  negotiate = 'O',
  keep_going = 'c',
  accept = 'a',
  reject = 'r',
  tempfail = 't',
  discard = 'd',
  reply_text = 'y',
  connection_failed = 'f',
  shutdown = '4',
  skip = 's',
  progress = 'p',
  add_header = 'h',
  insert_header = 'i',
  change_header = 'm',
  replace_body = 'b',
  add_recipient = '+',
  add_recipient_with_args = '2',
  delete_recipient = '-',
  change_sender = 'e',
  quarantine = 'q',
};

// What a filter may ask to have done at the end of a message (SMFIF_…).
namespace action {
constexpr std::uint32_t kAddHeaders = 1U << 0;
constexpr std::uint32_t kChangeBody = 1U << 1;
constexpr std::uint32_t kAddRecipients = 1U << 2;
constexpr std::uint32_t kDeleteRecipients = 1U << 3;
constexpr std::uint32_t kChangeHeaders = 1U << 4;
constexpr std::uint32_t kQuarantine = 1U << 5;
constexpr std::uint32_t kChangeSender = 1U << 6;
constexpr std::uint32_t kAddRecipientsWithArgs = 1U << 7;
constexpr std::uint32_t kSetMacroList = 1U << 8;
constexpr std::uint32_t kAll = (1U << 9) - 1;
constexpr std::uint32_t kOfVersion2 = 0x3f;
}  // namespace action

// What a filter does not want to hear, does not answer, and can do (SMFIP_…).
namespace protocol {
constexpr std::uint32_t kNoConnect = 1U << 0;
constexpr std::uint32_t kNoHelo = 1U << 1;
constexpr std::uint32_t kNoMail = 1U << 2;
constexpr std::uint32_t kNoRcpt = 1U << 3;
constexpr std::uint32_t kNoBody = 1U << 4;
constexpr std::uint32_t kNoHeaders = 1U << 5;
constexpr std::uint32_t kNoEndOfHeader = 1U << 6;
constexpr std::uint32_t kNoReplyHeader = 1U << 7;
constexpr std::uint32_t kNoUnknown = 1U << 8;
constexpr std::uint32_t kNoData = 1U << 9;
constexpr std::uint32_t kSkip = 1U << 10;
constexpr std::uint32_t kRejectedRecipients = 1U << 11;
constexpr std::uint32_t kNoReplyConnect = 1U << 12;
constexpr std::uint32_t kNoReplyHelo = 1U << 13;
constexpr std::uint32_t kNoReplyMail = 1U << 14;
constexpr std::uint32_t kNoReplyRcpt = 1U << 15;
constexpr std::uint32_t kNoReplyData = 1U << 16;
constexpr std::uint32_t kNoReplyUnknown = 1U << 17;
constexpr std::uint32_t kNoReplyEndOfHeader = 1U << 18;
constexpr std::uint32_t kNoReplyBody = 1U << 19;
constexpr std::uint32_t kHeaderLeadingSpace = 1U << 20;
constexpr std::uint32_t kAll = (1U << 21) - 1;
// The larger packets that libmilter can be asked for (bits 28 and 29) are not offered: Postfix
// never does, so that no filter is known to work with them.
constexpr std::uint32_t kOfVersion2 = 0x7f;
}  // namespace protocol

// Where a filter hears something, and with what its macros are sent.
enum class Stage : std::uint8_t {
  connect,
  helo,
  mail,
  rcpt,
  data,
  header,
  end_of_header,
  body,
  end_of_message,
  unknown,
};
constexpr std::size_t kStages = 10;

// How an event of a stage is sent, and with which bits a filter can do without it or leave the
// answer out. 0: it cannot.
struct StageRule {
  Command command;
  std::uint32_t not_wanted;
  std::uint32_t not_answered;
  std::uint32_t since_version;
};
constexpr std::array<StageRule, kStages> kStageRules = {{
    {Command::connect, protocol::kNoConnect, protocol::kNoReplyConnect, 2},
    {Command::helo, protocol::kNoHelo, protocol::kNoReplyHelo, 2},
    {Command::mail, protocol::kNoMail, protocol::kNoReplyMail, 2},
    {Command::rcpt, protocol::kNoRcpt, protocol::kNoReplyRcpt, 2},
    {Command::data, protocol::kNoData, protocol::kNoReplyData, 4},
    {Command::header, protocol::kNoHeaders, protocol::kNoReplyHeader, 2},
    {Command::end_of_header, protocol::kNoEndOfHeader, protocol::kNoReplyEndOfHeader, 2},
    {Command::body, protocol::kNoBody, protocol::kNoReplyBody, 2},
    {Command::end_of_message, 0, 0, 2},
    {Command::unknown, protocol::kNoUnknown, protocol::kNoReplyUnknown, 3},
}};
constexpr const StageRule& rule_of(Stage stage) {
  return kStageRules[static_cast<std::size_t>(stage)];
}

}  // namespace postwain::milter
