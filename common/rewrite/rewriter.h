// What addresses stand for: canonical addresses, maps of virtual addresses and aliases, tags
// ("user+tag") and catch-alls ([addresses] of the configuration; aliases(5) for owner- and
// :include:). Pure: configuration in, addresses out. smtpd asks resolve() at RCPT, qmgr expands
// what it accepts, `postwain explain` shows the steps.
//
// One address goes this way: recipient_canonical, then virtual, then aliases (in alias domains),
// and what comes out goes through virtual and aliases once more, until nothing applies. In each map
// the whole address is looked up first, then the one without tag, then "@domain". An address that
// stands for itself among others is final.
//
// Before all of this, an address of [srs] becomes the sender that it stands for (srs.h). Its age is
// not looked at here: whoever takes mail for it (smtpd) has done that, and what he has taken is not
// refused later.
//
// sender_bcc and recipient_bcc name further recipients of a message, which then go the way of all.
//
// What comes out is an address as the parser of commands takes it (smtp::parse_mailbox), or there
// is a Problem: a tag is put behind the target's local part in wire form, in quotes where it needs
// them, and never as the client wrote it within his own quotes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/config/table/addresses.h"
#include "common/config/table/origin.h"
#include "common/config/table/srs.h"
#include "common/mail/address.h"
#include "common/rewrite/srs.h"

namespace postwain::rewrite {

constexpr std::size_t kDepthMax = 50;         // addresses on the way to one
constexpr std::size_t kTargetsMax = 100'000;  // of one address

enum class Problem : std::uint8_t {
  none,
  loop,      // or deeper than kDepthMax
  too_many,  // more than kTargetsMax
  nobody,    // a list without members
  unfit,     // what comes out with the client's tag or local part is no address, or is too long
  fault,     // what stands there cannot be obeyed (config::AddressEntry::fault)
  unknown,   // of the domain of [srs], and nobody's: not made here, or changed
};

std::string_view text_of(Problem problem);

struct Target {
  mail::Address address;
  // Reverse-path of what goes there: the owner of the list. Null: that of the message.
  mail::Address owner;
  bool discard = false;  // "/dev/null": nobody gets it; address is that which leads there
};

// One application of one line, for `explain`.
struct Step {
  std::string_view map;  // "srs", "canonical", "virtual", "alias"
  std::string from;
  std::string to;
  config::Origin origin;
};

struct Expansion {
  Problem problem = Problem::none;
  bool changed = false;         // a line applied
  config::Origin origin;        // of the first line that applied, or of the one with the problem
  std::vector<Target> targets;  // each once; the address itself when nothing applied
  std::vector<Step> steps;      // only when asked for
};

// The way of an address as far as it leads to one only.
struct Resolved {
  Problem problem = Problem::none;
  bool changed = false;
  bool several = false;                    // it leads to a list; address is the list's
  const config::Origin* origin = nullptr;  // of the configuration; null: nothing applied
  mail::Address address;
};

// Somebody who gets a copy without being named (BCC).
struct BlindCopy {
  mail::Address address;
  config::Origin origin;
};

class Rewriter {
 public:
  // The configuration must outlive the rewriter.
  explicit Rewriter(const config::Addresses& addresses);
  // With rewritten senders that come back, where this process can take them.
  Rewriter(const config::Addresses& addresses, const config::SrsRewriting& srs);

  bool idle() const { return idle_; }  // nothing is configured
  mail::Address sender(const mail::Address& address) const;
  // Who has sent mail that went on under this reverse-path of [srs]; of any other one, himself.
  mail::Address sender_behind(const mail::Address& reverse_path) const;
  Expansion expand(const mail::Address& address, bool with_steps = false) const;
  Resolved resolve(const mail::Address& address) const;
  // Who gets a copy of what this sender sends, and of what comes for this recipient as a client
  // named him. What the copies' addresses stand for is for expand() to say.
  std::vector<BlindCopy> sender_copies(const mail::Address& sender) const;
  std::vector<BlindCopy> recipient_copies(const mail::Address& recipient) const;
  // The local part without tag; what a list of recipients is asked for, too.
  std::string_view without_tag(std::string_view local) const;
  // Whether a line names exactly this address, tag and all: then the operator knows of it.
  bool has_line(const mail::Address& address) const;

 private:
  struct Match {
    const config::AddressEntry* entry = nullptr;
    std::string_view map;
    std::string tag;          // to be kept, without quotes: "+tag"
    std::string alias_owner;  // "owner-name", when the alias has one
  };
  struct Walk;
  // What an address of [srs] stands for; null without a problem: it is none.
  struct Returned {
    Problem problem = Problem::none;
    mail::Address address{};
  };
  Returned returned(const mail::Address& address) const;
  Match find_in(const config::AddressMap& map, std::string_view name,
                const mail::Address& address) const;
  std::vector<BlindCopy> copies(const config::AddressMap& map, const mail::Address& address) const;
  Match find_alias(const mail::Address& address) const;
  Match find(const mail::Address& address) const;
  mail::Address canonical(const config::AddressMap& map, const mail::Address& address,
                          Resolved* told, std::vector<Step>* steps) const;
  // Nothing: it would be no address.
  static std::optional<mail::Address> target_address(const config::AddressTarget& target,
                                                     const Match& match, const mail::Address& from);
  void expand_into(Walk& walk, const mail::Address& address, const mail::Address& owner) const;

  const config::Addresses& addresses_;
  std::unordered_set<std::string> alias_domains_;
  const config::SrsRewriting* srs_ = nullptr;  // with returns_
  std::optional<Srs> returns_;
  bool idle_ = true;
};

// The lines from which no address comes out: each as (where, what). For `postwain check`.
std::vector<config::Diagnostic> problems(const config::Addresses& addresses);

}  // namespace postwain::rewrite
