// The one thing that travels back: what an attempt meant for one recipient. No null fields; an
// empty text where nothing is known.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/mail/reply.h"

namespace postwain::mail {

enum class Disposition : std::uint8_t { delivered, deferred, failed };

// How far the attempt had come. Also the names of the stages in logs and of time-outs.
enum class Stage : std::uint8_t {
  local,  // inside our own processes
  dns,    // finding the next hop
  connect,
  tls,
  greeting,
  hello,  // EHLO, HELO, LHLO
  auth,
  mail,
  rcpt,
  data,         // the reply to DATA
  content,      // sending the content
  final_reply,  // after the final dot or BDAT LAST
};

// Who is to blame; only `destination` counts against the next hop's window and breaker.
enum class Blame : std::uint8_t { nobody, local, dns, destination, sender, recipient, message };

struct Outcome {
  Disposition disposition = Disposition::deferred;
  Stage stage = Stage::local;
  Blame blame = Blame::nobody;
  // The content's end was sent and no final reply seen: the peer may have the message (RFC
  // 5321 4.5.3.2.6, RFC 1047).
  bool in_doubt = false;
  // The peer's reply, verbatim; when there is none (code 0) `enhanced` and `text` are ours and say
  // what happened.
  Reply reply;
  std::string remote_host;     // name of the peer: "mx1.example.org", "/run/dovecot/lmtp"
  std::string remote_address;  // "192.0.2.1:25", empty when no connection was tried
  std::string tls;             // "TLSv1.3 TLS_AES_256_GCM_SHA384", empty when in clear
  // The peer offers DSN and was given this recipient's NOTIFY and ORCPT: reports of success are now
  // its duty (RFC 3461 5.2.2).
  bool dsn_passed_on = false;

  bool operator==(const Outcome&) const = default;
};

std::string_view name_of(Disposition value);
std::string_view name_of(Stage value);
std::string_view name_of(Blame value);

// Outcome for a recipient whose attempt ended without any reply of a peer.
Outcome local_outcome(Disposition disposition, Stage stage, Blame blame, EnhancedCode enhanced,
                      std::string text);

}  // namespace postwain::mail
