// The gate: the one judge of everything that enters the queue, whoever brings it and by whichever
// way: smtpd, sendmail, what was left in the drop folder, an import, reports, and our own notices.
// Nothing is stored that has not passed here, so behind it a recipient is an address of RFC 5321, a
// time is near the present, and no text holds a control character or is longer than its grammar
// allows. Pure.
//
// Who submits as sendmail is anybody on this machine. Of him nothing is believed but envelope and
// content: id and time are qmgr's, the account is the user the kernel names (SO_PEERCRED), and the
// Received field is written here. pickup is the carrier of such messages; the owner of the file
// counts as the user, and an id of the drop folder is kept, so that a second try is stored once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/ipc/messages.h"
#include "common/mail/reply.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

constexpr std::size_t kProtocolNameMax = 32;
constexpr std::size_t kClientAddressMax = 64;
constexpr std::size_t kClientNameMax = 255;
constexpr std::size_t kAccountNameMax = 255;
constexpr std::size_t kHeldForMax = 200;
constexpr std::size_t kDecidedTextMax = 512;
constexpr std::size_t kReplyKept = 8192;  // of what a peer said

// Ids and times may be so far ahead of our clock: it may have been set back in the meantime. qmgr
// itself starts anew when the clock jumps by five minutes, and then whoever makes ids does, too.
constexpr Duration kAheadMax = std::chrono::minutes(10);

// Who brings a message.
struct Carrier {
  ipc::Role role = ipc::Role::sendmail;
  std::uint32_t uid = 0;  // his, as the kernel says; of pickup: the owner of what he brings
  std::string user;       // the name of that uid, empty where it is not known
};

struct GateRules {
  std::string hostname;
  std::size_t recipients = 0;      // limits.recipients; for sendmail and pickup
  std::uint64_t message_size = 0;  // limits.message_size, 0 for none; the same
  // Of a queue that several machines share (doc/cluster.md): the bags that this one owns, and those
  // of them that new ids are of. The others are being given away, and still take what smtpd has
  // begun.
  std::uint64_t own_bags = mail::kAllBags;
  std::uint64_t open_bags = mail::kAllBags;
};

// qmgr gives the id, decides what is said of the origin, and writes a Received field.
constexpr bool is_local(ipc::Role role) {
  return role == ipc::Role::sendmail || role == ipc::Role::pickup;
}

// Judges the message but for its content. Nothing: it may pass, and what was not to be believed of
// it has been put right. Otherwise the reply that refuses it; the message is then not to be used.
// next_id: for messages that get their id here. Whoever repeats an id would have to come to the
// machine that has its bag; so a message of smtpd whose bag is another's is refused for the moment,
// and of everybody else such a message gets an id of ours. To an id of the drop folder that is the
// same one each time.
std::optional<mail::Reply> judge(const Carrier& carrier, const GateRules& rules, WallTime now,
                                 const std::function<mail::QueueId()>& next_id,
                                 NewMessage& message);

// The address of a recipient: a mailbox, or the bare <postmaster>.
bool is_recipient(const mail::Address& address);

// One of our reports to the postmaster that has come back must not lead to another, whoever brings
// it. marked: its header says so; that counts where there is nobody to be told.
void mark_double_bounce(NewMessage& message, bool marked);

// What a program of this machine gives back by sendmail may be a stranger's: mail that has passed
// this host before is not ours to sign, as with trusted networks. own_hops: Received fields of this
// host, with the one that received_field() has written now.
void mark_given_back(ipc::Role role, std::size_t own_hops, NewMessage& message);

// The Received field of a local message that has passed (RFC 5321 4.4); empty for others, whose
// carrier has written it.
std::string received_field(const Carrier& carrier, const GateRules& rules,
                           const NewMessage& message);

// Content has CR and LF only as CRLF (RFC 5321 2.3.8), unless it came as BINARYMIME.
mail::Reply lone_line_end_reply();
bool may_have_lone_line_ends(const mail::Envelope& envelope);
mail::Reply too_large_reply();
// What lies in that bag belongs to another machine by now.
mail::Reply bag_moved_reply();

// Puts right what an agent says of an attempt, so that it can be stored: the code is one, and texts
// are cut.
void bound(mail::Outcome& outcome);

// One line: without control characters, valid UTF-8, at most so many octets.
std::string one_line(std::string_view text, std::size_t octets);

}  // namespace postwain::qmgr
