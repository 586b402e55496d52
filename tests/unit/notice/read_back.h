// Takes notices apart again, by the rules of MIME only: nothing of the builder is used.
#pragma once

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "common/content/content_fields.h"

#include "common/notice/dsn.h"

namespace postwain::notice::test {

inline WallTime at(std::int64_t ms) {
  return from_unix_ms(1'800'000'000'000 + ms);  // in 2027
}

struct Part {
  std::string type;
  std::string encoding;
  std::string body;
};

// Cuts a multipart/report into its parts by its own boundary.
inline std::vector<Part> parts_of(const std::string& content) {
  std::string header = content.substr(0, mail::header_end(content));
  std::string type = mail::field_value(header, "Content-Type");
  std::size_t at = type.find("boundary=\"") + 10;
  std::string delimiter = "\r\n--" + type.substr(at, type.find('"', at) - at);
  std::vector<Part> parts;
  std::size_t start = content.find(delimiter);
  for (;;) {
    REQUIRE(start != std::string::npos);
    start += delimiter.size();
    if (content.compare(start, 2, "--") == 0) return parts;
    std::size_t end = content.find(delimiter, start);
    std::string part = content.substr(start + 2, end - start - 2);
    std::size_t body = mail::header_end(part);
    std::string fields = part.substr(0, body);
    parts.push_back({mail::field_value(fields, "Content-Type"),
                     mail::field_value(fields, "Content-Transfer-Encoding"), part.substr(body)});
    start = end;
  }
}

// The groups of a delivery-status part.
inline std::vector<std::string> groups_of(const std::string& body) {
  std::vector<std::string> groups;
  std::size_t start = 0;
  for (;;) {
    std::size_t end = body.find("\r\n\r\n", start);
    if (end == std::string::npos) {
      if (start < body.size()) groups.push_back(body.substr(start));
      return groups;
    }
    groups.push_back(body.substr(start, end + 2 - start));
    start = end + 4;
  }
}

inline DsnRequest request_for(std::vector<std::string> names) {
  DsnRequest request;
  request.hostname = "mx.test";
  request.id = mail::QueueId{500};
  request.to = mail::Address::from_text("sender@example.com");
  request.now = at(60'000);
  request.original_id = mail::QueueId{5};
  request.original_sender = request.to;
  request.arrived_at = at(0);
  for (const std::string& name : names) {
    DsnRecipient r;
    r.recipient.address = mail::Address::from_text(name);
    r.reply = {550, {5, 1, 1}, "no such user here"};
    r.stage = mail::Stage::rcpt;
    r.remote_host = "mx.example.org";
    r.last_attempt_at = at(50'000);
    request.recipients.push_back(r);
  }
  return request;
}

inline const std::string kOriginal =
    "Received: from a by b; Thu\r\nFrom: <sender@example.com>\r\nSubject: hello\r\n\r\nThe "
    "body.\r\n";

inline void check_lines(const std::string& content) {
  std::size_t start = 0;
  while (start < content.size()) {
    std::size_t end = content.find('\n', start);
    REQUIRE(end != std::string::npos);
    REQUIRE(content[end - 1] == '\r');
    REQUIRE(end - start < 999);
    std::string_view line(content.data() + start, end - 1 - start);
    REQUIRE(line.find('\r') == std::string_view::npos);
    start = end + 1;
  }
}

// RFC 2045 6.7.
inline std::string from_quoted_printable(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text.compare(i, 3, "=\r\n") == 0) {
      i += 2;
    } else {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
  }
  return out;
}

}  // namespace postwain::notice::test
