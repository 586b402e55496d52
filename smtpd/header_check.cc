#include "smtpd/header_check.h"

#include "common/mail/content_fields.h"

namespace postwain::smtpd {

std::optional<mail::Reply> HeaderCheck::look(std::string_view content) {
  if (whole_) return std::nullopt;
  std::size_t end = std::string_view::npos;
  if (content.substr(0, 2) == "\r\n")
    end = 0;
  else
    end = content.find("\r\n\r\n", searched_);
  if (end != std::string_view::npos) {
    whole_ = true;
    return judge(content.substr(0, end + 2));
  }
  // The empty line may begin in the last three bytes.
  searched_ = content.size() > 3 ? content.size() - 3 : 0;
  if (content.size() > kHeaderSectionMax) return judge(content);
  return std::nullopt;
}

std::optional<mail::Reply> HeaderCheck::finish(std::string_view content) {
  if (auto reply = look(content)) return reply;
  if (whole_) return std::nullopt;
  whole_ = true;
  return judge(content);
}

std::optional<mail::Reply> HeaderCheck::judge(std::string_view header) {
  if (header.size() > kHeaderSectionMax)
    return mail::Reply{552, {5, 3, 4}, "Error: header section too large"};
  if (binary_ && mail::has_lone_line_end(header))
    return mail::Reply{550, {5, 6, 11}, "Error: lone CR or LF in header section"};
  mail::Hops hops = mail::count_hops(header, hops_.hostname);
  if (hops.own >= hops_.own)
    return mail::Reply{554, {5, 4, 6}, "Error: mail loop, it has been here before"};
  if (hops.all >= hops_.all) return mail::Reply{554, {5, 4, 6}, "Error: too many hops, mail loop"};
  has_date_ = mail::count_fields(header, "Date") > 0;
  has_message_id_ = mail::count_fields(header, "Message-ID") > 0;
  tls_required_no_ = mail::tls_required_no(header);
  return std::nullopt;
}

std::string missing_fields(const HeaderCheck& header, WallTime now, std::string_view id,
                           std::string_view hostname) {
  std::string fields;
  if (!header.has_date()) fields += "Date: " + format_rfc5322(now) + "\r\n";
  if (!header.has_message_id()) {
    fields += "Message-ID: <";
    fields += id;
    fields += '@';
    fields += hostname;
    fields += ">\r\n";
  }
  return fields;
}

}  // namespace postwain::smtpd
