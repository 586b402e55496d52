// From the recipients a client gave to those a message goes to (common/rewrite), and what that
// means for notices: RFC 3461 5.2.7.1 for one address that stands for another, 5.2.7.2 for one that
// stands for several, 5.2.7.3 for a list with an owner, whose reverse-path replaces the sender's.
// Who is reached elsewhere by such an address gets the mail of strangers under a rewritten sender
// (forwarding.h), and what was asked for in MAIL and RCPT goes with it. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/rewrite/rewriter.h"

#include "qmgr/model/changes.h"
#include "qmgr/routing/forwarding.h"
#include "qmgr/verdicts/notice_plan.h"

namespace postwain::qmgr {

constexpr std::size_t kExpandedRecipientsMax = 100'000;  // of one message, all parts together

struct ExpandedMail {
  // The first recipient that cannot be worked out. What programs of this machine submit goes to all
  // others all the same, and that one fails (mail::Recipient::decided): nobody there could be asked
  // to mend it and try again. Whoever brings it by SMTP can: then nothing else is filled in. A
  // blind copy that cannot be worked out is nobody's trouble but the operator's: it fails alone.
  rewrite::Problem problem = rewrite::Problem::none;
  std::string problem_at;
  config::Origin origin;

  // What is to be stored together. The first keeps the id; each other one has a reverse-path of its
  // own. Content only in the first.
  std::vector<NewMessage> messages;
  // What the sender asked to be told, about the message as it came in; index counts from 0.
  std::vector<RecipientEvent> told;
  MessageInfo as_given;  // whom it is told; filled in only where told is not empty
  // Why the sender was not rewritten although he should have been; the mail goes on as it is.
  rewrite::SrsProblem sender_kept = rewrite::SrsProblem::none;
};

// Who is named more than once in one transaction is one recipient, letter case of the domain aside:
// he gets one copy, and what was asked for on any of his RCPT is told once (a stranger could
// otherwise have a thousand reports made of one message). The first one's place and ORCPT remain.
void unite_equal(std::vector<NewRecipient>& recipients);

// The recipients have domains; equal ones are united first. Who gets a blind copy ([addresses]
// sender_bcc, recipient_bcc) comes behind them, unless he gets the message anyhow; nobody is told
// what becomes of his copy, and his own line makes no further copy. next_id: for further messages.
//
// Senders are rewritten for whom an address of ours leads elsewhere, blind copies among them, since
// the hosts there look at SPF in the same way. Nobody whom the client has named himself gets such
// mail: that is relayed.
ExpandedMail expand(NewMessage message, const rewrite::Rewriter& rewriter,
                    const std::function<mail::QueueId()>& next_id,
                    const ForwardingNow& forwarding = {});

// Who reads what goes to this address; the address itself where nobody else does. Empty: it is
// discarded.
std::vector<mail::Address> readers_of(const mail::Address& address,
                                      const rewrite::Rewriter& rewriter);

}  // namespace postwain::qmgr
