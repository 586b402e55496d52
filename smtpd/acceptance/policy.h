// Who may send to whom: relay control. A client of a trusted network and one that has logged in may
// send anywhere; everybody else only to recipients of our own domains. Nothing else opens a way,
// however the recipient is dressed up (percent hack, bang path, quoted "user@host", address
// literal; a source route has already been dropped by the parser). Pure: configuration in, verdict
// out.
//
// What an address stands for ([addresses]) decides whether it exists before the list of recipients
// is asked; it opens no way to other domains for strangers.
//
// One more way is open to everybody: an address under which mail was forwarded from here ([srs],
// common/rewrite/srs.h) leads back to its sender. Nobody but us can make one, it is good for some
// weeks, and by default it takes notices only.
//
// recipients = "probe" means: ask the next hop. That is done elsewhere (qmgr); the verdict says
// that it must be.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "common/base/time.h"
#include "common/config/config_fwd.h"
#include "common/config/table/access.h"
#include "common/config/table/domain.h"
#include "common/config/table/listener.h"
#include "common/config/table/origin.h"
#include "common/mail/address.h"
#include "common/mail/reply.h"
#include "common/rewrite/rewriter.h"
#include "common/rewrite/srs.h"
#include "smtpd/acceptance/dns_checks.h"

namespace postwain::smtpd {

struct Client {
  std::string address;  // plain_address(); empty for a Unix socket
  bool trusted = false;
  config::Origin trusted_by;  // the network that says so
  std::string account{};      // whom the client has proven to be; empty: nobody

  bool may_relay() const { return trusted || !account.empty(); }
};

// What an address that was made by SRS, and that takes a recipient back to its sender, is worth.
enum class SrsReturn : std::uint8_t {
  none,       // the recipient is no such address
  taken,      // it is ours
  expired,    // it was
  forged,     // it was not made here, or was changed
  no_notice,  // it takes notices only, and this is none
};

struct Verdict {
  bool accepted = false;
  mail::Reply reply;  // for the client, also when accepted
  // Which line of the configuration decided; line 0: none did, so the default (refuse) stands.
  const config::Origin* origin = nullptr;
  std::string_view reason;  // for logs and `explain`
  bool probe = false;       // accepted only if the next hop takes the recipient …
  mail::Address probed{};   // … which is this one
  bool discard = false;     // accepted, and nobody gets it
  SrsReturn srs = SrsReturn::none;
};

// What a message says of its authors.
struct AuthorFinding {
  bool permitted = true;
  std::string objection{};  // "anna may not write as <boss@example.org>"
};

class Policy {
 public:
  // The configuration must outlive the policy.
  explicit Policy(const config::Config& config);

  // Everything that is decided at MAIL and at RCPT, in this order; limits of rates come after it.
  Verdict mail(const Client& client, config::ListenerProtocol protocol, std::string_view hello,
               const mail::Address& sender, const dns::ClientFacts& facts = {}) const;
  // now: by which rewritten senders expire.
  Verdict rcpt(const Client& client, std::string_view hello, const mail::Address& sender,
               const mail::Address& recipient, WallTime now,
               const dns::ClientFacts& facts = {}) const;

  // A client on a Unix socket is as trusted as 127.0.0.1 is: both are programs of this machine.
  Client classify(const std::string& plain_address) const;
  Verdict sender(const Client& client, config::ListenerProtocol protocol) const;
  // As whom the client's account may send. The null reverse-path is anybody's.
  Verdict account_sender(const Client& client, const mail::Address& sender) const;
  // Whether the account may write what its mail says of its authors: every address in From, of
  // which there has to be one, and in Sender (RFC 5322 3.6.2) is one as which it may send. header:
  // the header section. Where accounts may send as anybody they may write so, too; and who has no
  // account is not asked.
  AuthorFinding author(const std::string& account, std::string_view header) const;
  // The operator's rules; recipient is null at MAIL. Accepted when none refuses or defers.
  Verdict rules(const Client& client, std::string_view hello, const mail::Address& sender,
                const mail::Address* recipient, const dns::ClientFacts& facts) const;
  Verdict recipient(const Client& client, const mail::Address& recipient) const;
  // A recipient in the domain of [srs], whoever the client is; nothing: he is one like others.
  std::optional<Verdict> returned(const mail::Address& sender, const mail::Address& recipient,
                                  WallTime now) const;
  // Whether RET, ENVID, NOTIFY and ORCPT are taken from the client.
  bool takes_dsn(const Client& client) const;

 private:
  struct OwnDomain {
    const config::Domain* domain = nullptr;
    std::unordered_set<std::string> allowed;  // of the same [[domain]]
  };
  bool owns(const std::string& account, const mail::Address& sender) const;
  bool owns_exactly(const std::string& account, const mail::Address& sender) const;
  Verdict own_recipient(const OwnDomain& own, const mail::Address& recipient) const;
  // Whether there is such a recipient, however his name is written.
  Verdict existing_recipient(const OwnDomain& own, const mail::Address& recipient) const;
  const OwnDomain* find_domain(const std::string& key) const;
  static bool lists(const OwnDomain& own, const std::string& local, const std::string& domain);
  Verdict local_recipient(const OwnDomain& own, const mail::Address& recipient,
                          const std::string& domain) const;

  const config::Config& config_;
  rewrite::Rewriter rewriter_;
  std::optional<rewrite::Srs> srs_;
  std::vector<OwnDomain> own_domains_;
  std::unordered_map<std::string, std::size_t> by_name_;  // "example.org", ".example.org"
};

}  // namespace postwain::smtpd
