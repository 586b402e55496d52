#include "smtpd/session/header_check.h"

#include "common/content/content_fields.h"
#include "common/content/header_form.h"

namespace postwain::smtpd {

std::optional<mail::Reply> HeaderCheck::look(std::string_view content) {
  return scan(content, false);
}

std::optional<mail::Reply> HeaderCheck::finish(std::string_view content) {
  return scan(content, true);
}

std::optional<mail::Reply> HeaderCheck::scan(std::string_view content, bool at_end) {
  if (whole_) return std::nullopt;
  // A long line that comes octet by octet is not searched again and again.
  bool news = at_end || seen_ <= searched_ + mail::kFieldNameMax ||
              content.find('\n', seen_) != std::string_view::npos;
  seen_ = content.size();
  mail::HeaderEnd end;
  if (news) end = mail::find_header_end(content, searched_, at_end);
  // All that came so far are fields, or the begin of one.
  if (!end.found) return content.size() > kHeaderSectionMax ? judge(content) : std::nullopt;
  whole_ = true;
  fields_size_ = end.header;
  body_begin_ = end.body;
  separated_ = end.body > end.header || end.body == content.size();
  return judge(content.substr(0, end.header));
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
  was_here_ = hops.own > 0;
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
