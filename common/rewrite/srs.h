// The Sender Rewriting Scheme: a reverse-path of our own domain under which somebody else's mail
// is forwarded, so that SPF (RFC 7208) of the next hop looks at us and what bounces comes back to
// us. It is the guarded scheme of Mail::SRS, libsrs2 and postsrsd, and with the same secret each of
// them takes back the addresses of the others:
//
//   SRS0=HHHH=TT=domain=local@ours          local@domain, forwarded by us
//   SRS1=HHHH=first==HHHH=TT=domain=local@ours    SRS0=HHHH=TT=domain=local@first, forwarded by us
//
// HHHH is the beginning of HMAC-SHA1 in Base64 over what it protects, in lower case; TT counts days
// modulo 1024 in base 32. In an address of the second form everything behind the first forwarder is
// his, and a third one replaces our part instead of adding to it, so that no address grows without
// end. Pure: the clock is handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/mail/address.h"

namespace postwain::rewrite {

// Of addresses that are made (RFC 5321 4.5.3.1): a longer one is not, because a next hop may refuse
// it, and its bounces with it.
constexpr std::size_t kSrsLocalMax = 64;
constexpr std::size_t kSrsAddressMax = 254;
// So many characters of the hash are written. One that comes back has as many or more, as other
// programs write them, and all that are there have to be right.
constexpr std::size_t kSrsHashSize = 4;
constexpr int kSrsDaysValid = 21;

struct SrsSettings {
  std::string domain;                // of the rewritten addresses, and of nothing else
  std::vector<std::string> secrets;  // at least one: the first signs, each of them verifies
  char separator = '=';              // behind "SRS0": '=', '+' or '-'; all three are taken back
};

enum class SrsProblem : std::uint8_t {
  none,
  // Of an address that was to be rewritten:
  no_domain,  // the null reverse-path, or a local part alone
  too_long,   // what comes out would be longer than kSrsLocalMax or kSrsAddressMax
  unfit,      // what comes out would be no address
  // Of an address that was to be taken back:
  not_srs,    // of another domain, or neither SRS0 nor SRS1
  malformed,  // a part is missing, or what it stands for is no address
  bad_hash,   // not made by us, or changed
  expired,    // made more than kSrsDaysValid days ago
};
// For a reply or a log line: "was changed on its way, or is not ours".
std::string_view text_of(SrsProblem problem);

struct SrsOutcome {
  SrsProblem problem = SrsProblem::none;
  mail::Address address;  // null with a problem
};

class Srs {
 public:
  // A configuration without a secret is a mistake of the caller (PW_CHECK).
  explicit Srs(SrsSettings settings);

  // The address under which mail of that sender is forwarded. An SRS0 address of another forwarder
  // becomes an SRS1 address, and an SRS1 address stays one. The local part is hashed without its
  // quotes and gets them again where the new one needs them.
  SrsOutcome forward(const mail::Address& sender, WallTime now) const;
  // The address that a rewritten one stands for: its sender, or the SRS0 address of the first
  // forwarder. The letter case of the hash does not matter, since some hosts change it. A day that
  // is tomorrow's counts as today, for the clock of another machine of ours.
  SrsOutcome reverse(const mail::Address& recipient, WallTime now) const;
  // The same of any age: of an address under which mail of ours is on its way, or that has been
  // taken already.
  SrsOutcome sender_behind(const mail::Address& rewritten) const;
  // Whether it is an address of our domain that reverse() would look at.
  bool is_ours(const mail::Address& address) const;

 private:
  std::string forwarded_local(const mail::Address& sender, std::string_view local,
                              WallTime now) const;
  SrsOutcome reverse_at(const mail::Address& recipient, std::optional<WallTime> now) const;
  SrsOutcome reverse_first(std::string_view parts, std::optional<WallTime> now) const;
  SrsOutcome reverse_second(std::string_view parts) const;
  std::string hash(std::string_view secret, std::string_view text) const;
  bool verifies(std::string_view given, std::string_view text) const;

  SrsSettings settings_;
  std::string domain_key_;
};

// Whether a sender is to be rewritten for a recipient, and if not, why.
enum class SrsNeed : std::uint8_t {
  rewrite,
  recipient_inside,  // mail that stays here is checked by nobody
  no_sender,         // a bounce, or a local part alone
  own_sender,        // his SPF record names us
  rewritten,         // his address is one of ours already
};
struct SrsOccasion {
  bool recipient_outside = false;  // his mail leaves for a host that is not ours
  bool sender_is_own = false;      // his domain is one of ours
};
SrsNeed srs_need(const Srs& srs, const mail::Address& sender, const SrsOccasion& occasion);
std::string_view text_of(SrsNeed need);

}  // namespace postwain::rewrite
