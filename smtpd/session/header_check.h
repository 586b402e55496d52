// What is looked at in the header section of a message that comes in: its size, mail loops
// (RFC 5321 6.3), and for submission the fields that must not be missing (RFC 6409 8.2, 8.3). It
// ends at the first line that is no field (common/content/header_form.h): what follows is body, and
// only that may be large. Nothing else of the content is read. Pure; fed as the content grows.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/mail/reply.h"

namespace postwain::smtpd {

constexpr std::size_t kHeaderSectionMax = 1U << 20;  // beyond: 552 5.3.4

// When a message is in a loop (554 5.4.6). hostname: by which our own Received fields are known.
struct HopLimits {
  std::size_t all = 50;
  std::size_t own = 5;
  std::string_view hostname;
};

class HeaderCheck {
 public:
  // binary: the content may hold a lone CR or LF (BODY=BINARYMIME), which its header section must
  // not.
  explicit HeaderCheck(bool binary = false, HopLimits hops = {}) : binary_(binary), hops_(hops) {}

  // content: all that came so far, without fields of ours; it may only have grown since the last
  // call, until whole() is true. The reply refuses the message.
  std::optional<mail::Reply> look(std::string_view content);
  // The content has ended: what came is all of the header section, if its end was not seen.
  std::optional<mail::Reply> finish(std::string_view content);
  bool whole() const { return whole_; }
  // When whole: bytes of its fields, whether an empty line, or the end of the content, follows, and
  // where the body begins.
  std::size_t fields_size() const { return fields_size_; }
  std::size_t body_begin() const { return body_begin_; }
  bool separated() const { return separated_; }
  bool has_date() const { return has_date_; }
  bool has_message_id() const { return has_message_id_; }
  // "TLS-Required: No", exactly once (RFC 8689 4).
  bool tls_required_no() const { return tls_required_no_; }
  // A Received field says that it has passed this host.
  bool was_here() const { return was_here_; }

 private:
  std::optional<mail::Reply> scan(std::string_view content, bool at_end);
  std::optional<mail::Reply> judge(std::string_view header);

  bool binary_;
  HopLimits hops_;
  std::size_t searched_ = 0;  // begin of the first line whose end is not seen
  std::size_t seen_ = 0;      // octets of the last look
  bool whole_ = false;
  std::size_t fields_size_ = 0;
  std::size_t body_begin_ = 0;
  bool separated_ = true;
  bool has_date_ = false;
  bool has_message_id_ = false;
  bool tls_required_no_ = false;
  bool was_here_ = false;
};

// The fields a submitted message lacks: Date and Message-ID, ready to be put before its header.
std::string missing_fields(const HeaderCheck& header, WallTime now, std::string_view id,
                           std::string_view hostname);

}  // namespace postwain::smtpd
